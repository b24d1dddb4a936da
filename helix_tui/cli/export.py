"""`helix-chat export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from engine import HelixError

from .chats import Data, pick, reading
from .terminal import reader_may_leave


def export(
    chat: Annotated[str, typer.Argument(help='The start of an id, as "history" lists them, or "last".')] = "last",
    format: Annotated[Literal["md", "json"], typer.Option(help="md: this branch to read; json: everything.")] = "md",
    output: Annotated[Path | None, typer.Option(help="Write to this file, not to stdout.")] = None,
    data: Data = None,
) -> None:
    """Write a chat as Markdown or JSON."""
    from ..export import FORMATS

    with reader_may_leave(), reading(data) as store:
        text = FORMATS[format](pick(store, chat))
        if output is None:
            sys.stdout.write(text)
            return
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise HelixError(f"{output} cannot be written ({error.strerror}); choose another file.") from error
