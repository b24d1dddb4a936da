"""`helix-chat serve` reads the settings file; the command line is over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helix_tui.cli import main


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a server was about to be made with."""
    found: dict[str, Any] = {}

    class Engine:
        def __enter__(self) -> None: ...
        def __exit__(self, *error: object) -> None: ...

    def load(**options: Any) -> Engine:
        found.update(options)
        return Engine()

    monkeypatch.setattr("engine.Engine.load", load)
    monkeypatch.setattr("engine.server.serve", lambda engine, settings, ready: found.update(server=settings))
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('[model]\ntarget = "/big"\ndraft = "none"\ndevice = "cpu"\ndtype = "float32"\n[chat]\ndepth = 3\n')
    return path


def test_it_takes_models_and_depth_from_the_file(asked: dict[str, Any], file: Path) -> None:
    assert main(["serve", "--config", str(file)]) == 0
    assert (asked["target"], asked["draft"], asked["device"], asked["dtype"]) == ("/big", None, "cpu", "float32")
    assert asked["server"].depth == 3


def test_it_takes_the_file_that_the_environment_names(
    asked: dict[str, Any], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIX_CONFIG", str(file))
    assert main(["serve"]) == 0
    assert asked["target"] == "/big"


def test_the_command_line_is_over_the_file(asked: dict[str, Any], file: Path) -> None:
    said = ["--target", "/other", "--draft", "/small", "--device", "auto", "--dtype", "auto", "--depth", "auto"]
    assert main(["serve", "--config", str(file), *said]) == 0
    assert (asked["target"], asked["draft"], asked["device"], asked["dtype"]) == ("/other", "/small", "auto", None)
    assert asked["server"].depth == "auto"


def test_a_file_named_on_the_command_line_has_to_be_right(
    asked: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[model]\nexact = 3\n")
    assert main(["serve", "--config", str(wrong)]) == 1
    assert "exact" in capsys.readouterr().err
    assert not asked
