"""What the commands share that look at past chats: the folder, and which chat is meant."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from engine import HelixError, InvalidRequest, Request

from ..conversation import Conversation
from ..messages import Question
from ..store import Store, StoreError, data_folder

Data = Annotated[Path | None, typer.Option(help="Keep chats in this folder; HELIX_DATA, unless told.")]
NoHistory = Annotated[bool, typer.Option("--no-history", help="Keep nothing of this chat, and show no other.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the last chat.")]
Given = Callable[[str], Any]


def open_store(data: Path | None, no_history: bool = False, save: bool = True) -> Store:
    """The store of a chat, which keeps nothing with `--no-history` or where the settings say `chat.save = false`."""
    if no_history and data is not None:
        raise InvalidRequest("--no-history keeps no chats, so give it no --data.")
    return Store(data or data_folder() if save and not no_history else None)


@contextmanager
def reading(data: Path | None) -> Iterator[Store]:
    """The store for a command that only looks: nothing is made where nothing is."""
    folder = data or data_folder()
    store = Store(folder if folder.is_dir() else None)
    try:
        yield store
    except StoreError as error:
        raise HelixError(str(error)) from error
    finally:
        store.close()
        for sentence in store.news():
            print(f"helix-chat: {sentence}", file=sys.stderr)


def pick(store: Store, which: str) -> Conversation:
    """The chat of that id, or of the only id that begins so, or the `last` one. Raises HelixError."""
    ids = [chat.id for chat in store.recent(1)] if which == "last" else store.find(which)
    if len(ids) > 1:
        raise HelixError(f"Several chats have an id that begins with {which}; give more of it.")
    conversation = store.load(ids[0]) if ids else None
    if conversation is None:
        there = "There is no chat yet" if which == "last" else f"There is no chat {which}"
        raise HelixError(f"{there}; helix-chat history lists them.")
    return conversation


def begun(request: Request, system: str | None) -> Conversation:
    """A new chat that asks as the request does."""
    return Conversation(
        system, Question((), request.speculation.depth, request.sampling, request.max_tokens, request.seed)
    )


def resumed(ctx: typer.Context, store: Store, request: Request, system: str | None) -> Conversation:
    """The last chat, with its own settings except those that were given now."""

    def given(*names: str) -> bool:
        sources = [ctx.get_parameter_source(name) for name in names]
        return any(source is not None and source.name == "COMMANDLINE" for source in sources)

    if store.path is None:
        raise InvalidRequest("No chats are kept here (--no-history, or chat.save in the settings): give no --resume.")
    try:
        conversation = pick(store, "last")
    except (HelixError, StoreError):
        store.close()
        raise
    settings = conversation.settings
    if given("depth", "baseline"):
        settings = replace(settings, depth=request.speculation.depth)
    for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty"):
        if given(name, "preset"):
            new = {name: getattr(request.sampling, name)}
            settings = replace(settings, sampling=replace(settings.sampling, **new))
    for name in ("max_tokens", "seed"):
        if given(name):
            settings = replace(settings, **{name: getattr(request, name)})
    conversation.settings = settings
    if given("system", "preset"):
        conversation.system = system
    return conversation
