"""Chats to store."""

from __future__ import annotations

from helix_tui.conversation import Conversation
from helix_tui.store import Store


def wrote(store: Store, text: str = "first") -> str:
    """A question and a reply; returns the conversation's id."""
    chat = Conversation()
    chat.ask(text)
    chat.close("eos")
    store.save(chat, *chat.path)
    return chat.id
