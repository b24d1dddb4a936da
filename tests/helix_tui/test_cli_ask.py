"""`helix-chat ask` over a scripted engine: what goes to stdout, to stderr and to the events file, and how it ends."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from asked import BLOCKS, Script, usage

import engine
from engine import ModelNotFound, OutOfMemory, Request, read_recording
from engine.events import (
    Event,
    Failed,
    Finished,
)
from helix_tui.cli import main


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> type[Script]:
    class Fresh(Script):
        loads: ClassVar[list[dict[str, Any]]] = []
        requests: ClassVar[list[Request]] = []

    monkeypatch.setattr(engine, "Engine", Fresh, raising=False)
    return Fresh


def type_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def test_only_the_reply_goes_to_stdout(capsys: pytest.CaptureFixture[str], script: type[Script]) -> None:
    assert main(["ask", "Why is the sky blue?"]) == 0
    out, err = capsys.readouterr()
    assert out == "The sky is blue.\n" and err == ""
    assert script.loads == [
        {"target": "bundled", "draft": "auto", "device": "auto", "dtype": None, "drafter": "model", "exact": False}
    ]
    (request,) = script.requests
    assert request.messages == [{"role": "user", "content": "Why is the sky blue?"}]
    assert request.sampling.greedy and request.speculation.depth == "auto" and request.seed is not None
    assert script.closed == 1


def test_every_option_reaches_the_engine(script: type[Script]) -> None:
    line = (
        "ask Hello --target there --draft none --device cuda:1 --dtype bfloat16 --drafter chain --depth 3 "
        "--temperature 0.8 --top-p 0.9 --top-k 40 --min-p 0.05 --repetition-penalty 1.1 --seed 5 "
        "--max-tokens 20 --system Short."
    )
    assert main(line.split()) == 0
    assert script.loads == [
        {"target": "there", "draft": None, "device": "cuda:1", "dtype": "bfloat16", "drafter": "chain", "exact": False}
    ]
    (request,) = script.requests
    assert request.messages == [
        {"role": "system", "content": "Short."},
        {"role": "user", "content": "Hello"},
    ]
    assert request.sampling == engine.Sampling(0.8, 40, 0.9, 0.05, 1.1)
    assert (request.speculation.depth, request.seed, request.max_tokens) == (3, 5, 20)


@pytest.mark.parametrize(
    ("arguments", "depth"),
    [
        (["--seed", "1", "--temperature", "1"], 4),
        (["--seed", "1"], "auto"),
        (["--baseline"], 0),
        (["--baseline", "--depth", "0"], 0),
        (["--depth", "16"], 16),
        (["--depth", "AUTO"], "auto"),
    ],
)
def test_a_depth_is_a_number_or_auto(script: type[Script], arguments: list[str], depth: int | str) -> None:
    assert main(["ask", "Hello", *arguments]) == 0
    assert script.requests[0].speculation.depth == depth


@pytest.mark.parametrize("arguments", [["ask", "-"], ["ask"]])
def test_the_question_comes_from_stdin(
    monkeypatch: pytest.MonkeyPatch, script: type[Script], arguments: list[str]
) -> None:
    type_in(monkeypatch, "\ufeffWarum ist der Himmel blau, Jörg?\n".encode())
    assert main(arguments) == 0
    assert script.requests[0].messages == [{"role": "user", "content": "Warum ist der Himmel blau, Jörg?\n"}]


def test_a_given_question_leaves_stdin_alone(monkeypatch: pytest.MonkeyPatch, script: type[Script]) -> None:
    type_in(monkeypatch, b"something else")
    assert main(["ask", "Hello"]) == 0
    assert script.requests[0].messages == [{"role": "user", "content": "Hello"}]
    assert sys.stdin.read() == "something else"


def test_json_is_one_object_with_the_settings(capsys: pytest.CaptureFixture[str], script: type[Script]) -> None:
    assert main(["ask", "Hello", "--json", "--temperature", "0.5", "--system", "Short."]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == "" and out.count("\n") == 1
    assert found["text"] == "The sky is blue." and found["token_ids"] == [0, 1, 2, 3]
    assert found["finish_reason"] == "eos" and found["usage"]["completion_tokens"] == 4
    settings = found["settings"]
    assert settings["target"] == settings["draft"] == "bundled"
    assert (settings["device"], settings["dtype"], settings["depth"]) == ("cpu", "float32", "auto")
    assert settings["temperature"] == 0.5 and settings["system"] == "Short."
    # A seed that was drawn is told, so that the reply can be had again.
    assert settings["seed"] == script.requests[0].seed


def test_events_are_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    assert main(["ask", "Hello", "--events", str(file)]) == 0
    kinds = [event.kind for _, event in read_recording(file)]
    assert kinds == ["loading", "loaded", "started", "prefilled", *["cycle"] * 4, "finished"]


def test_text_held_back_to_the_end_is_printed(
    monkeypatch: pytest.MonkeyPatch, script: type[Script], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "pieces", ("Hi", ""))
    stream = Script.stream

    def hold(self: Script, request: Request) -> Iterator[Event]:
        for event in stream(self, request):
            yield Finished(7, "stop", "Hi!\n", usage(2), BLOCKS) if isinstance(event, Finished) else event

    monkeypatch.setattr(script, "stream", hold)
    assert main(["ask", "Hello"]) == 0
    assert capsys.readouterr().out == "Hi!\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ask", ""], 1, "empty"),
        (["ask", "  "], 1, "empty"),
        (["ask", "Hi", "--temperature", "-1"], 1, "temperature is -1, but it must be 0 or more."),
        (["ask", "Hi", "--depth", "99"], 1, "speculation depth is 99"),
        (["ask", "Hi", "--max-tokens", "0"], 1, "max_tokens is 0"),
        (["ask", "Hi", "--depth", "x"], 2, '--depth is "x"; give a number from 0 to 16, or auto.'),
        (["ask", "Hi", "--depth", "2", "--baseline"], 2, "--baseline is depth 0"),
        (["ask", "Hi", "--loud"], 2, "--loud"),
        (["ask", "Hi", "--events", "no/such/folder/x"], 1, "Cannot write"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_loaded(
    capsys: pytest.CaptureFixture[str], script: type[Script], arguments: list[str], code: int, said: str
) -> None:
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.startswith("helix-chat: ") and err.count("\n") == 1
    assert script.loads == []


def test_an_error_of_the_load_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, script: type[Script], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "refuses", ModelNotFound("There is no folder x; check its name."))
    assert main(["ask", "Hello"]) == 1
    assert capsys.readouterr() == ("", "helix-chat: There is no folder x; check its name.\n")


def test_an_error_of_the_reply_comes_after_what_was_said(
    monkeypatch: pytest.MonkeyPatch, script: type[Script], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "fails", Failed(7, OutOfMemory.__name__, "The KV pool is full; ask for less."))
    assert main(["ask", "Hello"]) == 1
    assert capsys.readouterr() == ("The sky is blue.\n", "helix-chat: The KV pool is full; ask for less.\n")
    assert script.closed == 1


def test_ctrl_c_ends_the_reply_and_keeps_it(
    monkeypatch: pytest.MonkeyPatch, script: type[Script], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def press(index: int) -> None:
        if index == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(script, "during", press)
    before = signal.getsignal(signal.SIGINT)
    assert main(["ask", "Hello", "--events", str(tmp_path / "e")]) == 130
    assert capsys.readouterr() == ("The sky is\n", "")
    assert script.closed == 1 and signal.getsignal(signal.SIGINT) is before
    finished = read_recording(tmp_path / "e")[-1][1]
    assert isinstance(finished, Finished) and finished.reason == "cancelled"


def test_a_second_ctrl_c_does_not_wait(
    monkeypatch: pytest.MonkeyPatch, script: type[Script], capsys: pytest.CaptureFixture[str]
) -> None:
    def press(index: int) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(script, "during", press)
    assert main(["ask", "Hello"]) == 130
    assert script.closed == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_progress_and_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["ask", "Hello"]) == 0
    assert out.getvalue() == "The sky is blue.\n"
    assert "\rreading the target 50%" in err.getvalue()
    assert err.getvalue().endswith("[4 tokens, 20.0 tokens/s, 1.50 tokens a round]\n")


def test_a_reply_cannot_drive_the_terminal(monkeypatch: pytest.MonkeyPatch, script: type[Script]) -> None:
    monkeypatch.setattr(script, "pieces", ("a\x1b]0;title\x07\tb\n",))
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["ask", "Hello"]) == 0
    assert out.getvalue() == "a\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}\tb\n"


@pytest.mark.skipif(sys.platform == "win32", reason="closes a POSIX pipe")
def test_a_reader_that_leaves_ends_it_quietly() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import engine, asked as t\n"
        "from helix_tui.cli import main\n"
        "engine.Engine = t.Script; t.Script.pieces = ('word ',) * 50000\n"
        "sys.exit(main(['ask', 'Hello']))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(Path(__file__).parents[1] / "stubs")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stderr is not None
    assert child.stdout.read(5) == b"word "
    child.stdout.close()
    assert child.stderr.read() == b"" and child.wait(30) == 0
    child.stderr.close()
