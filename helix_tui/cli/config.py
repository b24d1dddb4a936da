"""`helix-chat config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import options
from ..settings import config_path, gather
from .terminal import reader_may_leave


def config(
    ctx: typer.Context,
    config: options.Config = None,
    example: Annotated[bool, typer.Option("--example", help="Print a settings file with every default.")] = False,
    path: Annotated[bool, typer.Option("--path", help="Print where the settings file is looked for.")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="Print the names of commands and their keys.")] = False,
) -> None:
    """Show the settings that hold, and where each came from."""
    from ..settings.example import effective
    from ..settings.example import example as example_file

    if example + path + keys > 1:
        ctx.fail("Give only one of --example, --path and --keys.")
    with reader_may_leave():
        if example:
            typer.echo(example_file(), nl=False)
        elif path:
            typer.echo(Path(config) if config else config_path())
        elif keys:
            from ..settings.on_screen import bindings

            for binding in bindings():
                typer.echo(f"{binding.id:<22} {binding.key}")
        else:
            from ..settings.on_screen import checked

            settings = checked(gather(path=config))
            typer.echo(effective(settings))
            settings.insist()
