"""The line mode: what it says, its commands, Ctrl-C, pipes and pseudo-terminals."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import loaded, usage
from scripted import STORY, ScriptedEngine
from terminal import Terminal

from engine import Event, Request
from engine.events import Loading
from helix_tui.cli import main
from helix_tui.conversation import Conversation
from helix_tui.messages import Question
from helix_tui.plain import words
from helix_tui.plain.chat import PlainChat
from helix_tui.plain.terminals import only_lines
from helix_tui.store import Store

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from helix_tui.cli import main; sys.exit(main())"


class Streaming(ScriptedEngine):
    """The scripted engine with the real one's `stream`."""

    def stream(self, request: Request) -> Iterator[Event]:
        self.submit(request)
        while self.busy:
            yield from self.step()


def chat(
    text: str, engine: Streaming | None = None, depth: int = 4, store: Store | None = None,
    conversation: Conversation | None = None,
) -> tuple[str, int]:  # fmt: skip
    out = io.StringIO()
    conversation = conversation or Conversation(settings=Question((), depth))
    plain = PlainChat(
        engine or Streaming(), conversation, store or Store(None), lines=io.StringIO(text), out=out,  # type: ignore[arg-type]
    )  # fmt: skip
    code = plain.run()
    return out.getvalue(), code


def asked(engine: Streaming) -> list[list[str]]:
    return [[m["content"] for m in r.messages or ()] for name, r in engine.calls if isinstance(r, Request)]


def depths(engine: Streaming) -> list[object]:
    return [r.speculation.depth for _, r in engine.calls if isinstance(r, Request)]


def test_each_line_is_a_question_and_the_chat_goes_on() -> None:
    engine = Streaming(replies=["One two.", "Three."])
    text, code = chat("First\nSecond\n", engine)
    assert code == 0
    assert re.fullmatch(
        r"You: First\nHelix: One two\.\n2 tokens, 100 % of drafts accepted\n"
        r"You: Second\nHelix: Three\.\n1 token.*\nYou: \n",
        text,
    )
    assert asked(engine) == [["First"], ["First", "One two.", "Second"]]


def test_the_summary_is_one_plain_line() -> None:
    u = usage(completion_tokens=34, decode_tokens_per_s=58.04, acceptance_rate=0.71)
    assert words.reply("eos", u) == "34 tokens, 58.0 a second, 71 % of drafts accepted"
    u = usage(completion_tokens=1, decode_tokens_per_s=None, acceptance_rate=None)
    assert words.reply("cancelled", u) == "1 token, stopped"


def test_words_come_whole() -> None:
    speech = words.Words()
    pieces = ["Hel", "lo the", "re, wor", "ld", ".\nNew", " line"]
    assert [speech.feed(p) for p in pieces] == ["", "Hello ", "there, ", "", "world.\n", "New "]
    assert speech.end() == "line" and speech.end() == ""
    long = "語" * 41
    assert speech.feed(long) == long


def test_a_reply_cannot_move_the_cursor() -> None:
    text, _ = chat("x\n", Streaming(replies=["a\x1b[2Jb \x07c"]))
    assert "\x1b" not in text and "\x07" not in text and "␛[2Jb" in text


def test_commands() -> None:
    engine = Streaming(replies=["Yes."])
    lines = "/depth 2\nA\n/baseline\nB\n/baseline\n/depth auto\n/depth 99\n/depth x\n/DEPTH 3\n/new\nC\n"
    text, _ = chat(lines + "/system Be kind.\nD\n/system\nE\n/stop\n/nix\n//slash\n/help\n/quit\nF\n", engine)
    assert depths(engine) == [2, 0, 3, 3, 3, 3]
    assert [a[0] for a in asked(engine)] == ["A", "A", "C", "Be kind.", "E", "E"]
    assert asked(engine)[-1][-1] == "/slash" and "F" not in text
    for said in ("Depth: 2.", "Baseline: speculation is off.", "Baseline is off, depth: 2.", "Depth: auto.",
                 "speculation depth is 99", "Write /depth and a number", "A new chat.\n", "Nothing is running.",
                 "There is no command /nix."):  # fmt: skip
        assert said in text
    assert all(line in text for line in words.HELP)


def test_stats_are_sentences() -> None:
    twelve = "One two three four five six seven eight nine ten eleven twelve."
    text, _ = chat("/stats\nA\n/stats\n", Streaming(replies=[twelve]))
    assert "0 replies, 0 tokens.\n" in text
    assert re.search(
        r"1 reply, 12 tokens, .* a second\.\n\d+ tokens drafted, .* accepted\.\nContext: \d+ of 2,048", text
    )


def test_a_backslash_goes_on_in_the_next_line() -> None:
    engine = Streaming()
    chat("one\\\ntwo\\\n\nlast\\", engine)
    assert [a[-1] for a in asked(engine)] == ["one\ntwo", "last"]


def test_an_error_is_said_and_the_chat_goes_on() -> None:
    engine = Streaming(replies=["Fine."], failing=("ContextTooLong", "The prompt is too long; shorten it."))
    text, code = chat("A\nB\n", engine)
    assert "Error: The prompt is too long; shorten it.\n" in text and "Helix: Fine.\n" in text and code == 1
    assert asked(engine)[-1] == ["B"], "the question that failed is gone"


def test_ctrl_c_keeps_the_part_that_is_there() -> None:
    def press(engine: ScriptedEngine) -> None:
        if engine.steps == 3:
            signal.raise_signal(signal.SIGINT)

    engine = Streaming(before_step=press)
    text, code = chat("A\nB\n", engine)
    assert code == 0 and ", stopped\n" in text and "Helix: Once upon a time" in text
    kept = asked(engine)[1][1]
    assert STORY.startswith(kept) and 0 < len(kept) < len(STORY)


def test_a_chat_is_kept_while_it_streams(tmp_path: Path) -> None:
    store, seen = Store(tmp_path), []

    def look(engine: ScriptedEngine) -> None:
        if engine.steps == 3:
            seen.append(store.load(store.recent()[0].id))

    chat("Tell me a story\n", Streaming(before_step=look), store=store)
    [part] = seen
    question, reply = part.path
    assert question.text == "Tell me a story" and reply.reason is None
    assert STORY.startswith(reply.text) and 0 < len(reply.text) < len(STORY)
    [summary] = store.recent()
    whole = store.load(summary.id)
    assert whole is not None and summary.title == "Tell me a story"
    assert whole.path[1].text == STORY and whole.path[1].reason == "eos" and whole.path[1].usage is not None
    store.close()


def test_a_new_chat_is_another_one_in_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    chat("One\n/new\nTwo\n/system Be kind.\nThree\n", Streaming(replies=["Yes."]), store=store)
    assert {chat.title: chat.messages for chat in store.recent()} == {"One": 2, "Two": 2, "Three": 2}
    assert [found.system for chat in store.search("three") if (found := store.load(chat.id))] == ["Be kind."]
    store.close()


def test_what_has_come_is_kept_whatever_ends_the_reply(tmp_path: Path) -> None:
    def press(engine: ScriptedEngine) -> None:
        if engine.steps == 3:
            raise KeyboardInterrupt

    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        PlainChat(
            Streaming(before_step=press), Conversation(), store, lines=io.StringIO("A\n"), out=io.StringIO(),  # type: ignore[arg-type]
        )._ask("A")  # fmt: skip
    kept = store.load(store.recent()[0].id)
    assert kept is not None and kept.path[1].reason == "cancelled" and STORY.startswith(kept.path[1].text)
    store.close()


def test_a_resumed_chat_says_its_earlier_turns_and_goes_on(tmp_path: Path) -> None:
    store, engine = Store(tmp_path), Streaming(replies=["Blue \x1b[2J.", "Red."])
    chat("A colour?\n", engine, depth=2, store=store)
    before = store.load(store.recent()[0].id)
    text, _ = chat("Another?\n/stats\n", engine, store=store, conversation=before)
    assert text.startswith("Going on with: A colour?\nYou: A colour?\nHelix: Blue ␛[2J.\nYou: Another?\nHelix: Red.\n")
    assert "2 replies" in text and depths(engine) == [2, 2]
    assert asked(engine)[-1] == ["A colour?", "Blue \x1b[2J.", "Another?"]
    [one] = store.recent()
    assert one.messages == 4
    store.close()


def test_loading_is_one_line_a_stage() -> None:
    stages = words.Stages()
    events = [Loading("reading"), Loading("reading", 1, 10), Loading("reading", 6, 10), Loading("reading", 7, 10),
              Loading("reading", 10, 10), Loading("checking")]  # fmt: skip
    assert [line for e in events if (line := stages.line(e))] == [
        "Loading: reading.", "Loading: reading, 50 %.", "Loading: reading, 75 %.", "Loading: checking."
    ]  # fmt: skip
    assert words.ready(loaded(draft=False)) == "Ready in 1.00 s: org/model-a on cpu, without a draft model."


@pytest.mark.parametrize(
    ("name", "lines"), [("dumb", True), ("xterm-256color", False), ("no-such-term", False), ("", False)]
)
def test_dumb_terminals_are_known(name: str, lines: bool) -> None:
    assert only_lines({"TERM": name}) is lines


def environment(tmp_path: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}


def test_a_pipe_is_a_chat(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--plain", "--device", "cpu", "--max-tokens", "12"],
        input="Why is the sky blue?\nHi\n",
        env={**os.environ, **environment(tmp_path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0
    assert re.fullmatch(r"(You: .*\nHelix: .*\n\d+ tokens.*\n){2}You: \n", done.stdout), done.stdout
    assert "Loading: reading the target.\n" in done.stderr and "Ready in" in done.stderr
    assert not re.search("[\x00-\x09\x0b-\x1f\u2500-\u28ff]", done.stdout + done.stderr)


def test_a_dumb_terminal_gets_lines_and_ctrl_c_stops_a_reply(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PROGRAM, "--device", "cpu"]
    with Terminal(argv, (100, 30), {**environment(tmp_path), "TERM": "dumb"}) as terminal:
        terminal.wait_for("You:")
        os.kill(terminal.process.pid, signal.SIGINT)
        terminal.wait_for("Nothing is running.")
        terminal.send("Why is the sky blue?", "enter")
        terminal.wait_for("Sunlight looks")
        os.kill(terminal.process.pid, signal.SIGINT)
        screen = terminal.wait_for("tokens, ")
        terminal.send("/quit", "enter")
        assert terminal.wait_exit() == 0
        assert screen.count("Helix: ") == 1
    assert b"\x1b" not in terminal.output


def piped(tmp_path: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "--plain", "--device", "cpu", "--max-tokens", "6", *options],
        input=text,
        env={**os.environ, **environment(tmp_path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_a_piped_chat_is_resumed(tmp_path: Path) -> None:
    first = piped(tmp_path, "Why is the sky blue?\n")
    reply = re.search("Helix: (.*)", first.stdout)
    again = piped(tmp_path, "And at night?\n", "--resume")
    assert reply and first.returncode == again.returncode == 0
    assert again.stdout.startswith(
        f"Going on with: Why is the sky blue?\nYou: Why is the sky blue?\n{reply[0].rstrip()}"
    )
    store = Store(tmp_path / "chats")
    assert [chat.messages for chat in store.recent()] == [4]
    store.close()


@pytest.mark.parametrize("off", ["--no-history", "save = false"])
def test_a_chat_that_is_not_to_be_kept_leaves_nothing(tmp_path: Path, off: str) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f"[chat]\n{off if '=' in off else ''}\n")
    options = ["--config", str(settings), *([off] if off.startswith("-") else [])]
    done = piped(tmp_path, "Hi\n", *options)
    assert done.returncode == 0 and "Helix: " in done.stdout and "not saved" not in done.stderr
    assert not (tmp_path / "chats").exists()


def test_there_is_nothing_to_resume_without_a_history(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plain", "--resume", "--no-history"]) == 1
    assert "No chats are kept here" in capsys.readouterr().err
    assert main(["--plain", "--resume"]) == 1
    assert "There is no chat yet" in capsys.readouterr().err


def test_a_history_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "chats").write_text("a file where the folder would be")
    done = piped(tmp_path, "Hi\nAgain\n")
    assert done.returncode == 0 and done.stdout.count("Helix: ") == 2
    assert done.stderr.count("This chat is not saved: ") == 1
