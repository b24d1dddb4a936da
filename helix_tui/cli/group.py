"""The group that every command belongs to, and how a wrong word is answered."""

from __future__ import annotations

import difflib
from importlib import metadata
from typing import Any

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """Says what to do about a word that is no command: most often it is a question."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0]
        if word not in self.commands:
            near = difflib.get_close_matches(word, self.commands, n=1)
            if near and len(args) == 1:
                ctx.fail(f'There is no command "{word}"; did you mean {near[0]}?')
            question = " ".join(args)
            ctx.fail(f'There is no command "{word}"; to ask a question, write: helix-chat ask "{question}"')
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def refuse_misplaced(ctx: typer.Context, given: dict[str, Any]) -> None:
    """Options before a command would be lost silently: say where they belong."""
    for name in given:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--" + name.replace("_", "-")
            command = ctx.invoked_subcommand
            ctx.fail(f"Put {option} after the command: helix-chat {command} {option} ...")


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"helix-chat {metadata.version('helix-chat')}")
        raise typer.Exit
