"""The store over a real folder: what comes back, what is found, what two processes do to each other."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from making import usage

from engine import Sampling
from engine.events import Emitted, Usage
from helix_tui.conversation import Conversation, Message
from helix_tui.messages import Question
from helix_tui.store import Store, data_folder

SESSION_FOLDER = os.environ["HELIX_DATA"]
"""As it is outside of any test."""
SETTINGS = Question((), "auto", Sampling(temperature=0.7, top_k=40), 99, 7)


class Clock:
    """A clock that a test sets; it moves a second with each reading."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, Clock())
    yield made
    made.close()


def tokens(text: str, origin: Any = "draft") -> list[Emitted]:
    return [Emitted(i, part, origin) for i, part in enumerate(text.split("|"))]


def say(store: Store, chat: Conversation, question: str, answer: str, figures: Usage | None = None) -> Message:
    """One whole turn, written as the app writes it."""
    reply = chat.ask(question)
    store.save(chat, chat.messages[str(reply.parent)], reply)
    for token in tokens(answer):
        chat.extend([token])
        store.append(reply, [token])
    chat.close("eos", figures or usage())
    store.save(chat, reply)
    return reply


def same(one: Conversation, other: Conversation | None) -> bool:
    names = ("id", "title", "system", "settings", "created", "leaf")
    return (
        other is not None
        and all(getattr(one, name) == getattr(other, name) for name in names)
        and list(one.messages.values()) == list(other.messages.values())
    )


def test_no_test_can_reach_the_real_folder(tmp_path: Path) -> None:
    assert data_folder() == tmp_path / "chats"
    assert "helix-tests-" in SESSION_FOLDER


def test_a_conversation_comes_back_whole(store: Store) -> None:
    chat = Conversation("Be [b]brief[/b].", SETTINGS)
    first = say(store, chat, "Why?\nTell \x1b[31m me", "Be|cause 世|界", usage(acceptance_rate=None))
    say(store, chat, "And then?", "Nothing")
    other = chat.regenerate(first)
    other.settings, other.model = SETTINGS, "org/model"
    chat.extend([Emitted(1, "So", "plain"), Emitted(2, "", "bonus"), Emitted(3, " it is", "correction")])
    chat.close("cancelled", usage(cached_tokens=3), "So it is\n")
    store.save(chat, other)
    again = store.load(chat.id)
    assert same(chat, again)
    assert again is not None and again.path[-1].runs == [
        ("So", "plain"), ("", "bonus"), (" it is", "correction"), ("\n", "plain")
    ]  # fmt: skip
    assert again.siblings(again.path[-1])[0].usage == first.usage


def test_a_running_reply_is_on_disk_as_far_as_it_came(store: Store, tmp_path: Path) -> None:
    chat = Conversation()
    reply = chat.ask("Why?")
    store.save(chat, *chat.path)
    for part in ("Be", "cau", "se"):
        chat.extend(tokens(part, "bonus"))
        store.append(reply, tokens(part, "bonus"))
    again = store.load(chat.id)
    assert again is not None
    assert (again.path[-1].text, again.path[-1].reason) == ("Because", None)
    assert [t.origin for t in again.path[-1].tokens] == ["bonus"] * 3
    # Another process starts and tidies up while this one goes on.
    other = Store(tmp_path)
    assert [found.id for found in other.search("because")] == [chat.id]
    chat.extend(tokens(" it"))
    store.append(reply, tokens(" it"))
    again = store.load(chat.id)
    assert again is not None and again.path[-1].text == "Because it"
    chat.close("eos", usage())
    store.save(chat, reply)
    assert store.flush()
    assert same(chat, other.load(chat.id))
    other.close()


def test_the_list_begins_with_what_was_used_last(store: Store) -> None:
    one, two = Conversation(), Conversation()
    say(store, one, "first", "a")
    say(store, two, "second", "b")
    assert [found.title for found in store.recent()] == ["second", "first"]
    say(store, one, "more", "c|d")
    found = store.recent()[0]
    assert (found.title, found.messages, found.preview) == ("first", 4, "cd")
    assert len(store.recent(1)) == 1


def test_rename_delete_and_undelete(store: Store) -> None:
    chat = Conversation()
    say(store, chat, "first", "an owl")
    store.rename(chat.id, "Birds ␛ [red]")
    assert [found.title for found in store.recent()] == ["Birds ␛ [red]"]
    store.delete(chat.id)
    assert store.recent() == [] == store.search("owl")
    store.undelete(chat.id)
    assert [found.id for found in store.search("owl")] == [chat.id]
    # The chat that goes on keeps the new title, and comes back when it was deleted.
    store.delete(chat.id)
    say(store, chat, "second", "b")
    assert [found.title for found in store.recent()] == ["Birds ␛ [red]"]


def test_what_was_deleted_a_day_ago_is_gone(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path, clock)
    old, new, kept = Conversation(), Conversation(), Conversation()
    for chat in (old, new, kept):
        say(store, chat, "first", "a")
    store.delete(old.id)
    store.flush()
    clock.now += 20 * 3600
    store.delete(new.id)
    store.close()
    clock.now += 5 * 3600
    store = Store(tmp_path, clock)
    assert store.load(old.id) is None
    assert store.load(new.id) is not None
    assert [found.id for found in store.recent()] == [kept.id]
    store.close()
    db = sqlite3.connect(tmp_path / "history.db")
    assert db.execute("SELECT count(*) FROM messages WHERE chat = ?", (old.id,)).fetchone() == (0,)


def snippet(store: Store, words: str) -> list[str]:
    return ["".join(f"[{t}]" if hit else t for t, hit in found.snippet) for found in store.search(words)]


def test_search_finds_words_and_their_beginnings_and_marks_them(store: Store) -> None:
    chat = Conversation()
    say(store, chat, "Erzähl von der Eule", "The owl was |never in a hurry. " + "x " * 80 + "end")
    say(store, Conversation(), "something else", "nothing here")
    assert snippet(store, "HURRY owl") == ["The [owl] was never in a [hurry]. x x x x x x x x x x x…"]
    assert snippet(store, "erzahl eul") == ["[Erzähl] von der [Eule]"]
    assert snippet(store, "owl nothing") == []
    assert [found.hit for found in store.search("owl")] == [chat.path[1].id]
    store.rename(chat.id, "Night birds")
    assert [(found.title, found.hit) for found in store.search("birds ni")] == [("Night birds", None)]


def test_search_finds_inside_scripts_without_spaces(store: Store) -> None:
    say(store, Conversation(), "hi", "东京是日本的首都。")
    assert snippet(store, "日本") == ["东京是[日本]的首都。"]
    assert snippet(store, "本的") == ["东京是日[本的]首都。"]
    assert snippet(store, "日京") == []


@pytest.mark.parametrize("limit", ["quotes", "random"])
def test_no_search_is_an_error(store: Store, limit: str) -> None:
    say(store, Conversation(), 'it\'s "quoted" (a OR b) NEAR col:umn', "-dash *star ^hat")
    rng = random.Random(1)
    pieces = [
        *"\"'*()-^:{}\0世a🦉 \n\x02\x1b%_\\ß\u200b;",
        "OR",
        "AND",
        "NOT",
        "NEAR",
        "\ud800",
        "quoted",
        "e\u0301",
        "--",
    ]
    queries = pieces if limit == "quotes" else ["".join(rng.choices(pieces, k=rng.randint(1, 9))) for _ in range(150)]
    for query in queries:
        store.search(query)
    assert snippet(store, '"quoted') == ['it\'s "[quoted]" (a OR b) NEAR col:umn']
    assert len(snippet(store, "NOT")) == 0 and len(snippet(store, "a OR b")) == 1


def test_odd_text_is_kept_as_it_can_be(store: Store) -> None:
    chat = Conversation()
    say(store, chat, "half \ud800 nul \0 end", "\x02a\x03\r\n|\u202e|🦉")
    again = store.load(chat.id)
    assert again is not None
    assert [m.text for m in again.path] == ["half ? nul \0 end", "\x02a\x03\r\n\u202e🦉"]
    assert store.search("end")[0].title.startswith("half ?")


def test_an_id_can_be_found_by_its_start(store: Store) -> None:
    chat = Conversation()
    say(store, chat, "first", "a")
    assert store.find(chat.id[:6]) == [chat.id]
    assert store.find("%") == []


def test_random_trees_come_back(store: Store) -> None:
    for seed in range(6):
        rng = random.Random(seed)
        chat = Conversation(rng.choice([None, "sys"]), SETTINGS)
        for step in range(25):
            if chat.messages and rng.random() < 0.5:
                message = rng.choice(list(chat.messages.values()))
                rng.choice([chat.rewind, chat.go])(message)
                if rng.random() < 0.5:
                    reply = chat.regenerate(message)
                    store.save(chat, reply)
                    chat.close("length", usage())
                    store.save(chat, reply)
            say(store, chat, f"q {step}", f"a|{step}")
        if rng.random() < 0.5:
            chat.rewind(rng.choice(list(chat.messages.values())))
            store.save(chat)
        assert same(chat, store.load(chat.id))


def test_two_stores_write_to_one_database(tmp_path: Path) -> None:
    stores = [Store(tmp_path), Store(tmp_path)]
    chats = [Conversation(), Conversation()]
    for step in range(5):
        for store, chat in zip(stores, chats, strict=True):
            say(store, chat, f"q{step}", f"a|{step}")
    for store in stores:
        for chat in chats:
            assert all(each.flush() for each in stores)
            assert same(chat, store.load(chat.id))
        assert store.trouble is None and store.news() == []
    for store in stores:
        store.close()


def test_without_a_folder_nothing_is_kept() -> None:
    store = Store(None)
    chat = Conversation()
    say(store, chat, "first", "a")
    assert store.recent() == store.search("first") == store.find("") == []
    assert store.load(chat.id) is None
    assert store.news() == []
    store.close()


def test_everything_put_before_the_end_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    chat = Conversation()
    say(store, chat, "first", "a|" * 200)
    store.close()
    store.rename(chat.id, "too late")
    again = Store(tmp_path)
    assert same(chat, again.load(chat.id))
    again.close()
