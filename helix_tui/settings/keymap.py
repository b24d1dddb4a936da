"""Key bindings of the person's own: which of them can be used. Needs Textual, so only the app and `config` ask."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, REPLACED_KEYS, Keys, key_to_character

MODIFIERS = {"ctrl", "alt", "shift", "super", "hyper", "meta"}
SAME_KEY = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+h": "backspace", "ctrl+left_square_bracket": "escape"}
"""What a plain terminal cannot tell apart."""
_NAMED = {key.value for key in Keys}


@dataclass(frozen=True, slots=True)
class Keymap:
    """By the id of a binding: the keys it has, and those that a person asked for and can have."""

    keys: Mapping[str, str]
    problems: tuple[str, ...] = ()


def normal(key: str) -> str:
    """A key as Textual names it: `[` is `left_square_bracket`, `Ctrl+K` is `ctrl+k`."""
    *modifiers, last = [part.strip() for part in key.split("+")] if key.strip() != "+" else ["plus"]
    if len(last) == 1 and not last.isalnum():
        name = unicodedata.name(last, last).lower().replace("-", "_").replace(" ", "_")
        last = KEY_NAME_REPLACEMENTS.get(name, name)
    elif modifiers or len(last) > 1:
        last = last.lower()
    return "+".join([*sorted(part.lower() for part in modifiers), last])


def wrong_with(key: str) -> str | None:
    """Why there is no such key; None when there is."""
    *modifiers, last = key.split("+")
    if key in SAME_KEY:
        return f"{key} is the same as {SAME_KEY[key]} in a terminal; choose another key"
    if set(modifiers) <= MODIFIERS and (len(last) == 1 or last in _NAMED or printable(last)):
        return None
    return f'"{key}" is no key; write it as ctrl+k, alt+x, f5 or one character'


def printable(key: str) -> bool:
    """Whether pressing it writes a character."""
    character = key_to_character(REPLACED_KEYS.get(key, key))
    return character is not None and character.isprintable()


def usable(asked: Mapping[str, str], bindings: Iterable[Binding]) -> Keymap:
    """Of the keys that were asked for, those that exist and that nothing else has; a sentence for each other one."""
    standard = {b.id: b for b in bindings if b.id}
    wanted: dict[str, list[str]] = {}
    problems = []
    for id, text in asked.items():
        keys = [normal(key) for key in text.split(",")] if text.strip() != "," else ["comma"]
        wrong = next((sentence for key in keys if (sentence := wrong_with(key))), None)
        if id not in standard:
            close = difflib.get_close_matches(id, standard, n=1)
            hint = f"did you mean {close[0]}?" if close else "helix-chat config --keys lists all names."
            problems.append(f"keys: there is no command {id}; {hint}")
        elif wrong is not None:
            problems.append(f"keys: {id} = {text!r}: {wrong}.")
        elif standard[id].priority and (letter := next(filter(printable, keys), None)):
            problems.append(
                f"keys: {id} works while typing, so {letter} would be lost there; choose one with ctrl or alt."
            )
        else:
            wanted[id] = keys
    return Keymap(*_without_clashes(wanted, standard, problems))


def _without_clashes(
    wanted: dict[str, list[str]], standard: Mapping[str, Binding], problems: list[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    for id in list(wanted):
        for key in wanted[id]:
            other = next((o for o in standard if o != id and key in wanted.get(o, _keys(standard[o]))), None)
            # Some share a key from the start, each where the other cannot be used.
            if other is not None and not _share(standard[id], standard[other], key):
                problems.append(f"keys: {key} is the key of {other} already; choose another for {id}, or move {other}.")
                del wanted[id]
                break
    return {id: ",".join(keys) for id, keys in wanted.items()}, tuple(problems)


def _keys(binding: Binding) -> list[str]:
    return [normal(key) for key in binding.key.split(",")]


def _share(one: Binding, other: Binding, key: str) -> bool:
    return key in _keys(one) and key in _keys(other)
