"""The chat as a tree: turns, branches, and that nothing said is ever lost."""

from __future__ import annotations

import random

import pytest
from making import usage

from engine.events import Emitted
from helix_tui.conversation import TITLE, Conversation, Message, title_of


def say(chat: Conversation, question: str, answer: str) -> Message:
    """One whole turn; returns its reply."""
    reply = chat.ask(question)
    chat.extend([Emitted(1, answer, "plain")])
    chat.close("eos", usage())
    return reply


def told(chat: Conversation) -> list[str]:
    return [m["content"] for m in chat.chat]


def texts(chat: Conversation) -> list[str]:
    return [m.text for m in chat.path]


def test_a_conversation_alternates() -> None:
    chat = Conversation("Be brief.")
    chat.ask("one")
    assert [m["role"] for m in chat.chat] == ["system", "user"]
    with pytest.raises(RuntimeError):
        chat.ask("two")
    with pytest.raises(RuntimeError):
        chat.regenerate(chat.path[0])
    chat.extend([Emitted(1, "fir", "draft"), Emitted(2, "st", "bonus")])
    chat.close("eos")
    chat.ask("two")
    assert told(chat) == ["Be brief.", "one", "first", "two"]


@pytest.mark.parametrize(("text", "reason"), [("", "cancelled"), (" \n", "eos"), ("half", "error")])
def test_a_turn_that_did_not_work_out_stays_but_is_not_told(text: str, reason: str) -> None:
    chat = Conversation()
    chat.ask("one")
    chat.extend([Emitted(1, text, "plain")])
    chat.close(reason)  # type: ignore[arg-type]
    chat.ask("two")
    assert told(chat) == ["two"]
    assert texts(chat) == ["one", text, "two", ""]


def test_a_reply_that_a_crash_cut_off_is_told() -> None:
    chat = Conversation()
    chat.ask("one")
    chat.extend([Emitted(1, "half", "plain")])
    chat.open = None
    chat.ask("two")
    assert told(chat) == ["one", "half", "two"]


def test_what_the_engine_got_is_not_changed_later() -> None:
    chat = Conversation()
    chat.ask("one")
    asked = chat.chat
    chat.extend([Emitted(1, "first", "plain")])
    assert asked == ({"role": "user", "content": "one"},)


def test_what_was_held_back_is_shown_at_the_end() -> None:
    chat = Conversation()
    reply = chat.ask("one")
    chat.extend([Emitted(1, "Hel", "draft")])
    chat.close("cancelled", usage(), "Hello")
    assert reply.text == "Hello"
    assert reply.runs == [("Hel", "draft"), ("lo", "plain")]


def test_another_reply_is_a_sibling_and_both_can_be_looked_at() -> None:
    chat = Conversation()
    first = say(chat, "one", "a")
    say(chat, "two", "b")
    second = chat.regenerate(first)
    assert told(chat) == ["one"]
    chat.extend([Emitted(1, "A", "plain")])
    chat.close("eos")
    assert chat.siblings(first) == [first, second]
    assert texts(chat) == ["one", "A"]
    assert chat.walk(second, 1) is None
    assert chat.walk(second, -1) is first
    assert texts(chat) == ["one", "a", "two", "b"]
    assert chat.walk(first, 1) is second
    assert texts(chat) == ["one", "A"]


def test_regenerate_works_from_the_question_too() -> None:
    chat = Conversation()
    reply = say(chat, "one", "a")
    assert chat.siblings(chat.regenerate(chat.path[0]))[0] is reply


def test_an_edit_is_a_sibling_of_the_question() -> None:
    chat = Conversation()
    say(chat, "one", "a")
    say(chat, "two", "b")
    question = chat.path[2]
    chat.rewind(question)
    say(chat, "TWO", "B")
    assert texts(chat) == ["one", "a", "TWO", "B"]
    assert [m.text for m in chat.siblings(question)] == ["two", "TWO"]
    chat.rewind(chat.path[0])
    assert (texts(chat), chat.leaf) == ([], None)
    say(chat, "ONE", "x")
    assert texts(chat) == ["ONE", "x"]
    assert chat.walk(chat.path[0], -1) is not None
    assert texts(chat) == ["one", "a", "TWO", "B"]


def test_rewind_goes_back_and_forward_again() -> None:
    chat = Conversation()
    first = say(chat, "one", "a")
    say(chat, "two", "b")
    assert chat.ahead == 0
    chat.rewind(first)
    assert (texts(chat), chat.ahead) == (["one", "a"], 2)
    chat.forward()
    assert texts(chat) == ["one", "a", "two", "b"]
    chat.rewind(first)
    say(chat, "three", "c")
    assert told(chat) == ["one", "a", "three", "c"]
    assert len(chat.messages) == 6


def test_a_branch_goes_on_where_it_was_left() -> None:
    chat = Conversation()
    first = say(chat, "one", "a")
    for text in ("two", "three", "four"):
        chat.rewind(first)
        say(chat, text, text.upper())
    chat.walk(chat.path[2], -1)
    assert texts(chat)[2:] == ["three", "THREE"]
    other = chat.regenerate(chat.path[1])
    chat.close("cancelled")
    assert chat.walk(other, -1) is first
    assert texts(chat) == ["one", "a", "three", "THREE"]


def test_a_fork_has_the_path_up_to_there_and_nothing_in_common() -> None:
    chat = Conversation("Be brief.")
    first = say(chat, "one", "a")
    say(chat, "two", "b")
    fork = chat.fork(first)
    assert (texts(fork), fork.system, fork.title) == (["one", "a"], "Be brief.", "one · fork")
    assert fork.id != chat.id and not fork.messages.keys() & chat.messages.keys()
    say(fork, "three", "c")
    assert texts(chat) == ["one", "a", "two", "b"]
    assert texts(chat.fork(chat.path[2])) == ["one", "a"]
    assert texts(chat.fork(chat.path[0])) == []
    assert fork.path[1].usage == first.usage


def test_random_scripts_lose_nothing() -> None:
    for seed in range(30):
        rng = random.Random(seed)
        chat = Conversation()
        said: dict[str, str] = {}
        for step in range(60):
            message = rng.choice(list(chat.messages.values())) if chat.messages else None
            act = rng.choice(["ask", "ask", "regenerate", "rewind", "walk", "forward", "go"])
            if act == "ask" or message is None:
                reply = say(chat, f"q{step}", f"a{step}")
                said |= {reply.id: f"a{step}", str(reply.parent): f"q{step}"}
            elif act == "regenerate":
                reply = chat.regenerate(message)
                chat.extend([Emitted(1, f"a{step}", "plain")])
                chat.close("eos")
                said[reply.id] = f"a{step}"
                assert chat.siblings(reply)[-1] is reply
            elif act == "rewind":
                chat.rewind(message)
                assert chat.leaf == (message.parent if message.role == "user" else message.id)
            elif act == "walk":
                if (other := chat.walk(message, rng.choice([-1, 1]))) is not None:
                    assert other in chat.path and other.parent == message.parent
            elif act == "go":
                chat.go(message)
                assert message in chat.path and chat.ahead == 0
            else:
                chat.forward()
                assert chat.ahead == 0
            assert {m.id: m.text for m in chat.messages.values()} == said
            roles = [m.role for m in chat.path]
            assert roles == ["user", "assistant"] * (len(roles) // 2)
            assert told(chat) == texts(chat)


def test_titles() -> None:
    assert title_of("\n  Why is\tthe sky blue?\nReally?") == "Why is the sky blue?"
    assert title_of("   ") == ""
    long = title_of("word, " * 40)
    assert len(long) <= TITLE + 1 and long.endswith("word…")
    assert title_of("x" * 200) == "x" * TITLE + "…"
    chat = Conversation()
    say(chat, "first", "a")
    say(chat, "second", "b")
    assert chat.title == "first"
