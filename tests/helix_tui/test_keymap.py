"""Keys of the person's own: which are keys, which are free, and what is said about the others."""

from __future__ import annotations

import pytest
from textual.binding import Binding

from helix_tui.keys import COMMANDS, written
from helix_tui.settings.keymap import normal, usable, wrong_with
from helix_tui.settings.on_screen import bindings

SOME = [
    Binding("n", "new", id="chat.new"),
    Binding("ctrl+n", "new", id="chat.new.typing", priority=True),
    Binding("b,0", "baseline", id="depth.baseline"),
    Binding("escape", "stop", id="chat.stop", priority=True),
    Binding("escape", "read", id="chat.read", priority=True),
]


@pytest.mark.parametrize(
    ("typed", "named"),
    [("[", "left_square_bracket"), ("+", "plus"), ("Ctrl+K", "ctrl+k"), ("K", "K"), ("F5", "f5"), ("-", "minus"),
     ("shift+ctrl+a", "ctrl+shift+a"), (" alt + x ", "alt+x"), ("/", "slash"), ("é", "é"), ("?", "question_mark")],
)  # fmt: skip
def test_keys_are_named_as_textual_names_them(typed: str, named: str) -> None:
    assert normal(typed) == named and wrong_with(named) is None


@pytest.mark.parametrize("key", ["", "ctrl+", "kontrol+k", "f99", "ctrl+ctr+x", "nothing", "ctrl k"])
def test_what_is_no_key_is_refused(key: str) -> None:
    assert "is no key" in str(wrong_with(normal(key)))


@pytest.mark.parametrize("key", ["ctrl+i", "ctrl+m", "ctrl+h"])
def test_keys_that_a_terminal_cannot_tell_apart_are_refused(key: str) -> None:
    assert "is the same as" in str(wrong_with(key))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"chat.nwe": "f8"}, "there is no command chat.nwe; did you mean chat.new?"),
        ({"zzz": "f8"}, "there is no command zzz; helix-chat config --keys"),
        ({"chat.new": "ctrl+"}, "chat.new = 'ctrl+': \"ctrl+\" is no key"),
        ({"chat.new": "b"}, "b is the key of depth.baseline already; choose another for chat.new"),
        ({"chat.new": "x", "depth.baseline": "x"}, "x is the key of"),
        ({"chat.new.typing": "x"}, "chat.new.typing works while typing, so x would be lost"),
        ({"chat.new.typing": "space"}, "so space would be lost"),
    ],
)
def test_what_cannot_be_is_named_in_one_sentence(asked: dict[str, str], sentence: str) -> None:
    keymap = usable(asked, SOME)
    (problem,) = keymap.problems
    assert sentence in problem and problem.startswith("keys: ") and problem.endswith((".", "?"))
    assert len(keymap.keys) == len(asked) - 1


def test_keys_may_change_places_and_shared_keys_may_stay_shared() -> None:
    assert usable({"chat.new": "b", "depth.baseline": "n"}, SOME).keys == {"chat.new": "b", "depth.baseline": "n"}
    assert usable({"chat.stop": "escape,f9"}, SOME).keys == {"chat.stop": "escape,f9"}
    assert usable({"chat.new": "f8, [ "}, SOME).keys == {"chat.new": "f8,left_square_bracket"}


def test_all_commands_can_have_other_keys_and_their_own_are_good() -> None:
    named = {binding.id for binding in bindings()}
    assert {command.id for command in COMMANDS} <= named and {"prompt.send", "prompt.newline"} <= named
    keymap = usable({str(b.id): b.key for b in bindings()}, bindings())
    assert keymap.problems == ()


def test_help_shows_the_keys_that_hold() -> None:
    command = next(c for c in COMMANDS if c.id == "chat.new")
    assert written(command) == "n   ctrl+n"
    assert written(command, {"chat.new": "f8", "chat.new.typing": "ctrl+y"}) == "f8   ctrl+y"
