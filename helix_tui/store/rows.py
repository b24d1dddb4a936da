"""Conversations and messages as rows, and back. A reply's text is stored once: its tokens only say their lengths."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, get_args

from engine import HelixError, Request, Sampling, Speculation
from engine.events import Emitted, FinishReason, Origin, Usage
from engine.rebuild import rebuild

from ..conversation import Conversation, Message
from ..messages import Question
from .schema import words

YEAR_9999 = 253_370_000_000.0
_LETTERS: dict[Origin, str] = {"draft": "d", "correction": "c", "bonus": "b", "plain": "p"}
_ORIGINS = {letter: origin for origin, letter in _LETTERS.items()}


def pack(tokens: Iterable[Emitted]) -> str:
    """`[[id, length of its text, letter of its origin], ...]`"""
    return json.dumps([[t.id, len(t.text), _LETTERS[t.origin]] for t in tokens], separators=(",", ":"))


def unpack(text: str, packed: str) -> list[Emitted]:
    """The tokens of a text. Where what was packed is damaged, the rest of the text is one token of no known origin."""
    tokens, at = [], 0
    try:
        for id, length, letter in json.loads(packed):
            if not 0 <= length <= len(text) - at:
                raise ValueError("longer than the text")
            tokens.append(Emitted(int(id), text[at : at + length], _ORIGINS.get(letter, "plain")))
            at += length
    except (ValueError, TypeError, RecursionError, OverflowError):
        tokens.append(Emitted(0, text[at:], "plain"))
    return tokens


def moment(cell: object) -> float:
    """A time that a calendar has; the epoch for any other."""
    return float(cell) if isinstance(cell, (int, float)) and 0 <= cell < YEAR_9999 else 0.0


def known(packed: str) -> dict[str, Any]:
    """A JSON object, empty where it is damaged: the text of a chat is worth more than what is known of it."""
    try:
        data = json.loads(packed)
    except (ValueError, TypeError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def settings_json(settings: Question) -> str:
    return json.dumps(settings_dict(settings))


def settings_dict(settings: Question) -> dict[str, Any]:
    return {name: value for name, value in asdict(settings).items() if name != "messages"}


def settings_from(data: dict[str, Any]) -> Question:
    """The settings; what makes no sense to this Helix is left at its default."""
    good: dict[str, Any] = {}
    with contextlib.suppress(HelixError, KeyError):
        good["depth"] = Speculation(depth=data["depth"]).depth
    with contextlib.suppress(HelixError, KeyError, AttributeError):
        names = {field.name for field in fields(Sampling)}
        good["sampling"] = Sampling(**{n: v for n, v in data["sampling"].items() if n in names})
    for name in ("max_tokens", "seed"):
        with contextlib.suppress(HelixError, KeyError):
            good[name] = getattr(Request(prompt="?", **{name: data[name]}), name)
    return Question((), **good)


def facts_json(message: Message) -> str:
    """What is known of a reply besides its text."""
    facts: dict[str, Any] = {}
    if message.usage is not None:
        facts["usage"] = asdict(message.usage)
    if message.settings is not None:
        facts["settings"] = settings_dict(message.settings)
    if message.model is not None:
        facts["model"] = message.model
    return json.dumps(facts)


def usage_from(data: object) -> Usage | None:
    try:
        usage: Usage = rebuild(Usage, data)
        return usage
    except ValueError:
        return None


def message_from(row: sqlite3.Row, pieces: list[sqlite3.Row]) -> Message:
    """The message, with the pieces of a reply that was never written whole."""
    facts = known(row["facts"])
    text = words(row["text"])
    tokens = unpack(text, row["tokens"])
    for piece in pieces:
        more = words(piece["text"])
        tokens += unpack(more, piece["tokens"])
        text += more
    reason = row["reason"]
    return Message(
        role="user" if row["role"] == "user" else "assistant",
        parent=row["parent"],
        text=text,
        tokens=tokens,
        reason=reason if reason in get_args(FinishReason) else None,
        usage=usage_from(facts["usage"]) if "usage" in facts else None,
        settings=settings_from(facts["settings"]) if isinstance(facts.get("settings"), dict) else None,
        model=str(facts["model"]) if "model" in facts else None,
        created=moment(row["created"]),
        id=row["id"],
    )


def conversation_from(row: sqlite3.Row, messages: Iterable[Message]) -> Conversation:
    conversation = Conversation(
        words(row["system"]) or None,
        settings_from(known(row["settings"])),
        id=row["id"],
        title=words(row["title"]),
        created=moment(row["created"]),
    )
    for message in messages:
        conversation.add(message)
    if row["leaf"] in conversation.messages:
        conversation.look(row["leaf"])
    else:
        conversation.forward()
    return conversation
