"""Whatever the settings file and the environment say: the defaults hold where it is no good, and a sentence says so."""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fuzz import fuzz, is_sentence
from hypothesis import given
from hypothesis import strategies as st

from helix_tui.settings import config_path, gather
from helix_tui.settings.on_screen import checked
from helix_tui.settings.reading import LARGEST
from helix_tui.settings.table import SECTIONS, SETTINGS

word = st.text("abc_-\x1b\n é\"'\\.", min_size=1, max_size=6)
leaf = st.one_of(
    st.booleans().map(lambda flag: str(flag).lower()),
    st.integers().map(str),
    st.sampled_from(["nan", "-inf", "1e400", "9" * 400, "9" * 5000, "0x" + "f" * 6000, "1979-05-27", "07:32:00"]),
    st.sampled_from(["auto", "none", "ctrl+k", "ctrl+i", "+", ",", "ctrl+", " ", "", "x,,y", "ctrl++"]).map(json.dumps),
    word.map(json.dumps),
)
value = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"))
names = [setting.name for setting in SETTINGS]
line = st.builds(lambda name, it: f"{name} = {it}", st.sampled_from(names) | word.map(json.dumps), value)
heads = [*SECTIONS, "keys", "presets.sampling.mine", "presets.system", "presets", "keys.chat"]
head = st.sampled_from(heads).map("[{}]".format) | word.map(lambda name: f"[{json.dumps(name)}]")
document = st.lists(st.builds(lambda top, rest: [top, *rest], head, st.lists(line, max_size=5)), max_size=4).map(
    lambda parts: "\n".join(row for part in parts for row in part) + "\n"
)
garbage = st.binary(max_size=80) | st.sampled_from(
    [b"[" * 50_000, b"a.b=" * 20_000, b"\xff\xfe", b"\xef\xbb\xbf[chat]\n"]
)


good: list[dict[str, Any]] = []
"""The documents that were TOML."""


def taken(file: Path, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    """What is said of it; every value is a good one all the same."""
    settings = checked(gather(path=file, environ=environ or {}))
    for setting in SETTINGS:
        it = settings[setting.id]
        if setting.section != "sampling" or setting.name == "preset":
            assert it == setting.default or setting.kind.check(setting.name, it) == it
    assert (settings.sampling_presets and settings.system is None) or isinstance(settings.system, str)
    for problem in settings.problems:
        assert is_sentence(problem), problem
    return settings.problems


@fuzz(70)
@given(document)
def test_any_document_is_read_or_told_of(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    taken(file)
    with contextlib.suppress(ValueError):
        good.append(tomllib.loads(text))


def test_the_documents_were_often_good_toml() -> None:
    """A check of the check: not all are refused at their first line."""
    assert len([data for data in good if data]) > 15


@fuzz(70)
@given(garbage, st.integers(0, 200))
def test_garbage_anywhere_in_a_good_file(tmp_path: Path, noise: bytes, at: int) -> None:
    good = b'[chat]\ndepth = 3\n[look]\ntheme = "helix-light"\n[presets.sampling.mine]\ntop_k = 5\n'
    file = tmp_path / "config.toml"
    file.write_bytes(good[:at] + noise + good[at:])
    taken(file)


@fuzz(70)
@given(st.dictionaries(st.sampled_from([setting.variable for setting in SETTINGS]), leaf | word, max_size=4))
def test_any_environment_is_taken_or_told_of(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "none.toml").write_text("")
    taken(tmp_path / "none.toml", environ)


def test_a_number_of_thousands_of_digits(tmp_path: Path) -> None:
    (tmp_path / "c").write_text(f"[chat]\ndepth = {'9' * 5000}\n")
    assert taken(tmp_path / "c") == (
        f"{tmp_path / 'c'} is not TOML: one of its numbers is too long; correct that line, or move the file away.",
    )
    (tmp_path / "c").write_text(f"[chat]\ndepth = {'9' * 400}\n[sampling]\ntemperature = 0x{'f' * 9000}\n")
    assert all("far too many digits" in problem for problem in taken(tmp_path / "c"))
    assert any("HELIX_DEPTH" in problem for problem in taken(tmp_path / "c", {"HELIX_DEPTH": "9" * 5000}))


def test_what_a_file_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "c").write_text(
        '["\\u001b[2J\\nsecond line"]\n[chat]\n"\\u0007" = 1\ndepth = "\\u001b]0;title\\u0007"\n'
    )
    assert len(taken(tmp_path / "c")) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_not_waited_for_and_a_device_not_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert taken(tmp_path / "pipe") == (f"{tmp_path / 'pipe'} is a pipe; the settings must be a file.",)
    assert "too large" in taken(Path("/dev/zero"))[0]
    assert taken(Path("/dev/null")) == ()


def test_a_huge_file_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"#" * (LARGEST + 1))
    assert "too large" in taken(tmp_path / "c")[0]
    assert "cannot be read" in taken(tmp_path)[0]


def test_folders_that_cannot_even_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once ended in a traceback: a name too long, a person who is not there, nobody at home."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "/" + "x" * 400)
    assert gather().problems == ()
    assert config_path({"HELIX_CONFIG": "~nobody-at-all/c.toml"}) == Path("~nobody-at-all/c.toml")
    monkeypatch.setattr("platformdirs.user_config_path", lambda *a, **k: (_ for _ in ()).throw(RuntimeError("no home")))
    assert gather().problems == ()
