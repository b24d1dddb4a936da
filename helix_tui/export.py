"""A conversation as Markdown or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .conversation import Conversation, Message
from .messages import clean
from .render.summary import ending
from .store.rows import settings_dict

VERSION = 1


def markdown(conversation: Conversation) -> str:
    """The branch that is looked at, each reply with its line of figures."""
    day = datetime.fromtimestamp(conversation.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    parts = [f"# {conversation.title or 'Untitled'}", f"*helix-chat, {day}*"]
    if conversation.system:
        parts += ["## System", conversation.system.strip()]
    for message in conversation.path:
        if message.role == "user":
            parts += ["## You", message.text.strip()]
        else:
            name = f"Reply ({message.model})" if message.model else "Reply"
            parts += [f"## {name}", message.text.strip()]
            parts.append(f"*{ending(message.reason, message.usage, len(message.tokens))}*")
    return clean("\n\n".join(part for part in parts if part)) + "\n"


def as_json(conversation: Conversation) -> str:
    """The whole tree: every message with its parent, and the leaf that is looked at."""
    return (
        json.dumps(
            {
                "helix_chat": VERSION,
                "id": conversation.id,
                "title": conversation.title,
                "created": conversation.created,
                "system": conversation.system,
                "settings": settings_dict(conversation.settings),
                "leaf": conversation.leaf,
                "messages": [_message(message) for message in conversation.messages.values()],
            },
            indent=2,
        )
        + "\n"
    )


FORMATS: dict[str, Callable[[Conversation], str]] = {"md": markdown, "json": as_json}


def write_new(folder: Path, conversation: Conversation, write: Callable[[Conversation], str], end: str) -> Path:
    """Into a file named by the title that was not there before; returns it. Raises OSError."""
    text = write(conversation).encode()
    slug = re.sub(r"\W+", "-", conversation.title.lower()).strip("-")[:40] or "chat"
    for number in range(1, 1000):
        path = folder / f"helix-{slug}{f'-{number}' if number > 1 else ''}.{end}"
        try:
            with path.open("xb") as file:
                file.write(text)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(17, "there are too many files of that name")


def _message(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = {"id": message.id, "parent": message.parent, "role": message.role, "text": message.text}
    data["created"] = message.created
    if message.role == "assistant":
        data |= {
            "reason": message.reason,
            "model": message.model,
            "usage": asdict(message.usage) if message.usage is not None else None,
            "settings": settings_dict(message.settings) if message.settings is not None else None,
            "tokens": [{"id": t.id, "text": t.text, "origin": t.origin} for t in message.tokens],
        }
    return data
