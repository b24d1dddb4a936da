"""Conversations and messages as rows, and back. A reply's text is stored once: its tokens only say their lengths."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, get_args

from engine import HelixError, Sampling, Speculation
from engine.events import Emitted, FinishReason, Origin, Usage

from ..conversation import Conversation, Message
from ..messages import Question

_LETTERS: dict[Origin, str] = {"draft": "d", "correction": "c", "bonus": "b", "plain": "p"}
_ORIGINS = {letter: origin for origin, letter in _LETTERS.items()}


def pack(tokens: Iterable[Emitted]) -> str:
    """`[[id, length of its text, letter of its origin], ...]`"""
    return json.dumps([[t.id, len(t.text), _LETTERS[t.origin]] for t in tokens], separators=(",", ":"))


def unpack(text: str, packed: str) -> list[Emitted]:
    tokens, at = [], 0
    for id, length, letter in json.loads(packed):
        tokens.append(Emitted(id, text[at : at + length], _ORIGINS.get(letter, "plain")))
        at += length
    return tokens


def settings_json(settings: Question) -> str:
    return json.dumps(settings_dict(settings))


def settings_dict(settings: Question) -> dict[str, Any]:
    return {name: value for name, value in asdict(settings).items() if name != "messages"}


def settings_from(data: dict[str, Any]) -> Question:
    """The settings; what makes no sense to this Helix is left at its default."""
    known: dict[str, Any] = {}
    with contextlib.suppress(HelixError, KeyError):
        known["depth"] = Speculation(depth=data["depth"]).depth
    with contextlib.suppress(HelixError, KeyError, AttributeError):
        names = {field.name for field in fields(Sampling)}
        known["sampling"] = Sampling(**{n: v for n, v in data["sampling"].items() if n in names})
    for name in ("max_tokens", "seed"):
        if isinstance(value := data.get(name), int):
            known[name] = value
    return Question((), **known)


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


def usage_from(data: dict[str, Any]) -> Usage | None:
    names = {field.name for field in fields(Usage)}
    try:
        return Usage(**{name: value for name, value in data.items() if name in names})
    except TypeError:
        return None


def message_from(row: sqlite3.Row, pieces: list[sqlite3.Row]) -> Message:
    """The message, with the pieces of a reply that was never written whole."""
    facts = json.loads(row["facts"])
    tokens = unpack(row["text"], row["tokens"])
    for piece in pieces:
        tokens += unpack(piece["text"], piece["tokens"])
    reason = row["reason"]
    return Message(
        role="user" if row["role"] == "user" else "assistant",
        parent=row["parent"],
        text=row["text"] + "".join(piece["text"] for piece in pieces),
        tokens=tokens,
        reason=reason if reason in get_args(FinishReason) else None,
        usage=usage_from(facts["usage"]) if "usage" in facts else None,
        settings=settings_from(facts["settings"]) if "settings" in facts else None,
        model=facts.get("model"),
        created=row["created"],
        id=row["id"],
    )


def conversation_from(row: sqlite3.Row, messages: Iterable[Message]) -> Conversation:
    conversation = Conversation(
        row["system"],
        settings_from(json.loads(row["settings"])),
        id=row["id"],
        title=row["title"],
        created=row["created"],
    )
    for message in messages:
        conversation.add(message)
    if row["leaf"] in conversation.messages:
        conversation.look(row["leaf"])
    else:
        conversation.forward()
    return conversation
