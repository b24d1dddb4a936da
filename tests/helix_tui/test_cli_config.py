"""`helix-chat config`, and what the other commands make of a settings file, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from helix_tui.cli import main; sys.exit(main())"


def helix(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELIX_", "TEXTUAL_"))}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**kept, "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text('[chat]\ndepth = 3\n[look]\ntheme = "helix-light"\n[keys]\n"chat.new" = "f18"\n')
    return path


def test_config_shows_what_holds(file: Path) -> None:
    done = helix("config", "--config", str(file), HELIX_SEED="7")
    assert done.returncode == 0 and done.stderr == ""
    assert f"File: {file}\n" in done.stdout and "own.toml, line 2" in done.stdout and "HELIX_SEED" in done.stdout


def test_the_example_can_be_used_as_it_is(tmp_path: Path) -> None:
    done = helix("config", "--example")
    (tmp_path / "x.toml").write_text(done.stdout)
    shown = helix("config", HELIX_CONFIG=str(tmp_path / "x.toml")).stdout
    assert "Not used" not in shown and "x.toml, line" not in shown


def test_the_path_and_the_names_of_keys(file: Path) -> None:
    assert helix("config", "--path", HELIX_CONFIG=str(file)).stdout.strip() == str(file)
    assert "depth.up.typing        ctrl+up\n" in helix("config", "--keys").stdout
    assert helix("config", "--keys", "--path").returncode == 2


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[model", "is not TOML"),
        ("[chat]\ndepth = 77", "line 2: speculation depth is 77"),
        ('[look]\ntheme = "mauve"', 'there is no theme "mauve"; use helix-dark'),
        ('[keys]\n"chat.nwe" = "f18"', "did you mean chat.new?"),
        ('[keys]\n"chat.new" = "b"', "b is the key of depth.baseline already"),
    ],
)
def test_a_broken_file_is_refused_when_named_and_only_mentioned_otherwise(
    tmp_path: Path, line: str, sentence: str
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(line)
    named = helix("config", "--config", str(file))
    assert named.returncode == 1 and sentence in named.stderr and named.stderr.startswith("helix-chat: ")
    spoken = helix("config", HELIX_CONFIG=str(file))
    assert spoken.returncode == 0 and sentence in spoken.stdout and spoken.stderr == ""


def test_ask_goes_on_with_a_broken_file_but_not_with_one_that_was_named(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[chat]\ndepth = 77\nmax_tokens = 3\n")
    named = helix("ask", "Hi", "--device", "cpu", "--config", str(file))
    assert named.returncode == 1 and "depth is 77" in named.stderr and named.stdout == ""
    spoken = helix("ask", "Hi", "--device", "cpu", "--json", HELIX_CONFIG=str(file))
    assert spoken.returncode == 0 and "depth is 77" in spoken.stderr and spoken.stderr.count("\n") == 1
    assert '"max_tokens": 3' in spoken.stdout and '"depth": "auto"' in spoken.stdout


def test_config_never_writes(tmp_path: Path) -> None:
    for arguments in (["config"], ["config", "--example"], ["config", "--keys"]):
        assert helix(*arguments, XDG_CONFIG_HOME=str(tmp_path / "c"), HOME=str(tmp_path)).returncode == 0
    assert not (tmp_path / "c").exists()
