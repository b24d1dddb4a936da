"""Two apps in two terminals over one folder of chats: both are kept, each sees the other's, and nothing is lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import usage
from terminal import Terminal

from helix_tui.conversation import Conversation
from helix_tui.store import Store, data_folder

STUBS = Path(__file__).parents[1] / "stubs"
ROOT = STUBS.parents[1]
ENV = {"PYTHONPATH": f"{STUBS}{os.pathsep}{ROOT}", "TEXTUAL_ANIMATIONS": "none"}


def app(*arguments: str) -> Terminal:
    return Terminal([sys.executable, str(STUBS / "scripted_chat.py"), "kept", *arguments], (100, 30), ENV)


def ready(terminal: Terminal) -> Terminal:
    terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)
    return terminal


def ask(terminal: Terminal, text: str) -> None:
    terminal.send(text, "enter")
    # The figures of this reply, not those of one that was there before.
    terminal.wait_for(lambda screen: text in screen and "% accepted" in screen[screen.rfind(text) :])


def leave(terminal: Terminal) -> None:
    terminal.send("ctrl+q")
    assert terminal.wait_exit() == 0
    assert b"locked" not in terminal.output and b"not saved" not in terminal.output
    assert b"Traceback" not in terminal.output


@pytest.fixture
def two() -> Iterator[tuple[Terminal, Terminal]]:
    with app() as one, app() as other:
        yield ready(one), ready(other)


def titles() -> list[str]:
    store = Store(data_folder())
    found = [chat.title for chat in store.recent()]
    store.close()
    return found


@pytest.mark.slow
def test_both_chat_and_each_sees_what_the_other_did(two: tuple[Terminal, Terminal]) -> None:
    one, other = two
    one.send("Question of the first", "enter")
    other.send("Question of the second", "enter")
    for terminal in two:
        terminal.wait_for("73 % accepted")
    one.send("\x1bOQ")  # F2
    one.wait_for(lambda screen: "Question of the first" in screen and "Question of the second" in screen)
    one.send("escape")
    # What one deletes is gone where the other looks next.
    other.send("\x1bOQ")
    other.wait_for(lambda screen: "Question of the first" in screen and "Question of the second" in screen)
    store = Store(data_folder())
    first = next(chat.id for chat in store.recent() if "first" in chat.title)
    store.rename(first, "A new name")
    assert store.flush()
    store.close()
    other.send("escape")
    other.wait_for("Ask anything")
    other.send("\x1bOQ")
    other.wait_for("A new name")
    other.send("escape")
    for terminal in two:
        leave(terminal)
    assert sorted(titles()) == ["A new name", "Question of the second"]


@pytest.mark.slow
def test_one_chat_opened_twice_becomes_versions_of_it() -> None:
    """What the README says: each one's question is a branch; both are there when it is opened again."""
    with app() as one:
        ask(ready(one), "The first question")
        with app("--resume") as other:
            ready(other)
            ask(other, "Asked by the other")
            ask(one, "Asked by the one")
            leave(other)
        leave(one)
    store = Store(data_folder())
    (summary,) = store.recent()
    chat = store.load(summary.id)
    store.close()
    assert chat is not None and summary.messages == 6
    first = next(message for message in chat.messages.values() if message.text == "The first question")
    reply = next(message for message in chat.messages.values() if message.parent == first.id)
    after = {message.text for message in chat.messages.values() if message.parent == reply.id}
    assert after == {"Asked by the other", "Asked by the one"}
    assert all(message.reason == "eos" for message in chat.messages.values() if message.role == "assistant")


def test_a_chat_that_another_process_removed_for_good_is_written_whole_again(tmp_path: Path) -> None:
    """Deleted there, gone from the disk a day later, and gone on with here: once only the new turn was kept."""
    now = [0.0]
    one, chat = Store(tmp_path, lambda: now[0]), Conversation()
    for text in ("first", "second"):
        reply = chat.ask(text)
        one.save(chat, *chat.path[-2:])
        chat.close("eos", usage())
        one.save(chat, reply)
    assert one.flush()
    other = Store(tmp_path, lambda: now[0])
    other.delete(chat.id)
    other.close()
    now[0] = 3 * 24 * 3600.0
    other = Store(tmp_path, lambda: now[0])
    assert other.load(chat.id) is None
    reply = chat.ask("third")
    one.save(chat, *chat.path[-2:])
    chat.close("eos", usage())
    one.save(chat, reply)
    assert one.flush()
    again = other.load(chat.id)
    assert again is not None and [m.text for m in again.path if m.role == "user"] == ["first", "second", "third"]
    one.close()
    other.close()
