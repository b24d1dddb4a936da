"""`helix-chat` itself and `replay`: how the app is made, and what is refused before it opens."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine import Recorder, Sampling
from engine.events import Loading
from helix_tui.cli import main


class FakeApp:
    made: ClassVar[list[FakeApp]] = []

    def __init__(self, source: Any, **options: Any) -> None:
        self.source, self.options = source, options
        self.return_code: int | None = 0
        self.made.append(self)

    def run(self) -> None:
        self.ran = True


class Stream:
    """A standard stream that is a terminal or not, and keeps what is written."""

    def __init__(self, terminal: bool = True) -> None:
        self.terminal, self.text = terminal, ""

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> type[FakeApp]:
    """An app that only notes how it was made."""

    class Fresh(FakeApp):
        made: ClassVar[list[FakeApp]] = []

    monkeypatch.setattr("helix_tui.app.HelixApp", Fresh)
    monkeypatch.setattr("helix_tui.sources.LiveSource", lambda *args, **more: ("live", *args, more))
    monkeypatch.setattr("helix_tui.sources.ReplaySource", lambda *args, **options: ("replay", *args, options))
    return Fresh


def run(*arguments: str, piped: str = "") -> tuple[int, str]:
    """The exit code and what stderr said, with every standard stream a terminal but the `piped` one."""
    names = ("stdin", "stdout", "stderr")
    streams = {name: Stream(terminal=name != piped) for name in names}
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        return main(arguments), streams["stderr"].text


def recording(path: Path) -> Path:
    with Recorder(path) as recorder:
        recorder.write(Loading("reading the target"))
    return path


def test_no_command_opens_the_app(app: type[FakeApp]) -> None:
    assert run() == (0, "")
    (made,) = app.made
    assert made.ran and made.source == ("live", "bundled", "auto", "auto", None, {"drafter": "model", "exact": False})
    assert made.options == {
        "depth": "auto",
        "sampling": Sampling(),
        "max_tokens": None,
        "system": None,
        "seed": None,
        "record": None,
        "settings": made.options["settings"],
        "sent": made.options["sent"],
        "store": made.options["store"],
        "conversation": None,
    }


def test_options_reach_the_app(app: type[FakeApp], tmp_path: Path) -> None:
    file = tmp_path / "chat.jsonl"
    line = (
        "--target there --draft NONE --device cpu --dtype float32 --drafter NGRAM --baseline --temperature 0.7 "
        "--top-p 0.9 --top-k 5 --min-p 0.1 --repetition-penalty 1.2 --seed 3 --max-tokens 9 --system Kind. --record"
    )
    assert run(*line.split(), str(file)) == (0, "")
    (made,) = app.made
    assert made.source == ("live", "there", None, "cpu", "float32", {"drafter": "ngram", "exact": False})
    assert made.options == {
        "depth": 0,
        "sampling": Sampling(0.7, 5, 0.9, 0.1, 1.2),
        "max_tokens": 9,
        "system": "Kind.",
        "seed": 3,
        "record": file,
        "settings": made.options["settings"],
        "sent": made.options["sent"],
        "store": made.options["store"],
        "conversation": None,
    }
    assert not file.exists()


def test_the_return_code_of_the_app_is_the_exit_code(app: type[FakeApp], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "run", lambda self: setattr(self, "return_code", 3))
    assert run() == (3, "")


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_without_a_terminal_the_app_names_ask(app: type[FakeApp], name: str) -> None:
    code, said = run(piped=name)
    assert code == 1 and "needs a terminal" in said and "helix-chat ask" in said and app.made == []


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--temperature", "-1"], 1, "temperature is -1"),
        (["--seed", "-1"], 1, "seed is -1"),
        (["--record", "no/such/chat.jsonl"], 1, "does not exist; choose another file"),
        (["--record", "."], 1, "is a folder; choose another file"),
        (["--depth", "3", "--baseline"], 2, "give either"),
        (["Why is the sky blue?"], 2, 'to ask a question, write: helix-chat ask "Why is the sky blue?"'),
        (["Why", "me"], 2, 'helix-chat ask "Why me"'),
        (["repaly"], 2, "did you mean replay?"),
        (["--depth", "3", "ask", "Hi"], 2, "Put --depth after the command: helix-chat ask --depth"),
        (["replay"], 2, "file"),
        (["replay", "no-such-file"], 1, "Cannot read no-such-file"),
        (["replay", __file__], 1, "not a Helix recording"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    app: type[FakeApp], arguments: list[str], code: int, sentence: str
) -> None:
    got, said = run(*arguments)
    assert got == code and sentence in said and said.startswith("helix-chat: ") and said.count("\n") == 1
    assert app.made == []


def test_replay_plays_a_recording(app: type[FakeApp], tmp_path: Path) -> None:
    file = recording(tmp_path / "chat.jsonl")
    assert run("replay", str(file), "--speed", "2") == (0, "")
    (made,) = app.made
    assert made.source == ("replay", file, {"speed": 2.0}) and made.options == {}


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf"])
def test_a_speed_that_makes_no_sense_is_refused(app: type[FakeApp], tmp_path: Path, speed: str) -> None:
    file = recording(tmp_path / "chat.jsonl")
    code, said = run("replay", str(file), "--speed", speed)
    assert code == 1 and "from 0.01 to 100" in said and app.made == []


def test_an_empty_recording_is_refused(app: type[FakeApp], tmp_path: Path) -> None:
    Recorder(tmp_path / "empty").close()
    code, said = run("replay", str(tmp_path / "empty"))
    assert code == 1 and "has no events" in said and app.made == []


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"helix-chat {metadata.version('helix-chat')}\n"


@pytest.mark.parametrize("command", [[], ["ask"], ["replay"], ["doctor"]])
def test_help_is_there_for_every_command(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    assert main([*command, "--help"]) == 0
    assert "Usage: helix-chat" in capsys.readouterr().out
