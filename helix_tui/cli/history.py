"""`helix-chat history`."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Annotated

import typer

from .chats import Data, reading
from .terminal import reader_may_leave

ID = 8
"""Characters of an id that are shown: enough for `export`."""


def history(
    words: Annotated[str | None, typer.Argument(help="List only chats with all these words.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
    data: Data = None,
) -> None:
    """List past chats, the one used last first, or search them."""
    from ..render.library import ago
    from ..render.text import safe

    with reader_may_leave(), reading(data) as store:
        found = store.search(words, limit) if words else store.recent(limit)
        if as_json:
            typer.echo(json.dumps([asdict(chat) for chat in found], indent=2))
            return
        if not found:
            typer.echo("No chat has these words." if words else "There are no chats yet.")
        for chat in found:
            typer.echo(f"{chat.id[:ID]}  {ago(chat.updated, time.time()):>12}  {safe(chat.title)}")
            if chat.snippet:
                marked = "".join(f"[{text}]" if hit else text for text, hit in chat.snippet)
                typer.echo(f"{'':24}{safe(marked)}")
