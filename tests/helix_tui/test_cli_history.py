"""`helix-chat history` and `export`, and which chat `--resume` goes on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from making import usage

from engine import HelixError, InvalidRequest, Request, Sampling, Speculation
from engine.events import Emitted
from helix_tui.cli import main
from helix_tui.cli.chats import open_store, resumed
from helix_tui.conversation import Conversation
from helix_tui.messages import Question
from helix_tui.store import Store, data_folder


def kept(*turns: tuple[str, str], folder: Path | None = None) -> Conversation:
    store = Store(folder or data_folder())
    chat = Conversation("Be brief.", Question((), 3, Sampling(temperature=0.5, top_k=9), 50, None))
    for question, answer in turns:
        chat.ask(question)
        chat.extend([Emitted(1, answer, "plain")])
        chat.close("eos", usage())
    store.save(chat, *chat.path)
    assert store.flush()
    store.close()
    return chat


def test_history_lists_and_searches(capsys: pytest.CaptureFixture[str]) -> None:
    one = kept(("Tell me\x1b[31m a story", "An owl sat there."))
    two = kept(("Why?", "Because."))
    assert main(["history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [two.id[:8], one.id[:8]]
    assert lines[1].endswith("just now  Tell me␛[31m a story")
    assert main(["history", "OWL there"]) == 0
    assert capsys.readouterr().out.splitlines()[1].strip() == "An [owl] sat [there]."
    assert main(["history", "zebra"]) == 0
    assert capsys.readouterr().out == "No chat has these words.\n"
    assert main(["history", "--json", "--limit", "1"]) == 0
    assert [chat["id"] for chat in json.loads(capsys.readouterr().out)] == [two.id]


def test_where_nothing_is_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--data", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == "There are no chats yet.\n"
    assert main(["export"]) == 1
    assert capsys.readouterr().err == "helix-chat: There is no chat yet; helix-chat history lists them.\n"
    assert not (tmp_path / "none").exists()
    assert not data_folder().exists()


def test_export_to_stdout_and_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = kept(("Why?", "Because."))
    kept(("Later", "Yes."))
    assert main(["export"]) == 0
    assert "## You\n\nLater\n\n## Reply\n\nYes.\n\n*5 tokens" in capsys.readouterr().out
    file = tmp_path / "chat.json"
    assert main(["export", one.id[:8], "--format", "json", "--output", str(file)]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads(file.read_text())["title"] == "Why?"
    assert main(["export", "zzz"]) == 1
    assert "There is no chat zzz" in capsys.readouterr().err
    assert main(["export", "last", "--output", str(tmp_path / "no" / "where")]) == 1
    assert "choose another file" in capsys.readouterr().err


def test_a_folder_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(("Elsewhere", "Yes."), folder=tmp_path / "other")
    assert main(["history", "--data", str(tmp_path / "other")]) == 0
    assert "Elsewhere" in capsys.readouterr().out
    assert main(["history"]) == 0
    assert "no chats" in capsys.readouterr().out


def test_a_newer_database_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    kept(("Why?", "Because."))
    db = sqlite3.connect(data_folder() / "history.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    assert main(["history"]) == 1
    assert "was written by a newer Helix" in capsys.readouterr().err


def context(*given: str) -> typer.Context:
    """A context in which these options were given on the command line."""

    class Source:
        name = "COMMANDLINE"

    class Given:
        def get_parameter_source(self, name: str) -> Source | None:
            return Source() if name in given else None

    return Given()  # type: ignore[return-value]


REQUEST = Request(
    messages=[{"role": "user", "content": "?"}],
    sampling=Sampling(temperature=1.0),
    speculation=Speculation(depth=7),
    max_tokens=5,
)


def test_resume_takes_the_chat_s_own_settings_but_those_that_were_given() -> None:
    last = kept(("Why?", "Because."))
    store = open_store(None)
    chat = resumed(context(), store, REQUEST, None)
    assert (chat.id, chat.settings, chat.system) == (last.id, last.settings, "Be brief.")
    chat = resumed(context("depth", "temperature", "max_tokens", "system"), store, REQUEST, "Rhyme.")
    assert chat.settings == Question((), 7, Sampling(temperature=1.0, top_k=9), 5, None)
    assert chat.system == "Rhyme."
    store.close()


def test_resume_without_a_chat_says_so() -> None:
    with pytest.raises(HelixError, match="There is no chat yet"):
        resumed(context(), open_store(None), REQUEST, None)


def test_no_history_and_a_folder_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        open_store(tmp_path, no_history=True)
    assert open_store(None, no_history=True).path is None
