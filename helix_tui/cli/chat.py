"""`helix-chat` with no command: the app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import options
from ..plain.terminals import only_lines
from ..store import data_folder
from . import chats, remote
from .group import print_version, refuse_misplaced
from .terminal import check_writable, need_terminal, reader_may_leave, run


@options.spread
def chat(
    ctx: typer.Context,
    *,
    engine: options.EngineOptions,
    depth: options.Depth = None,
    baseline: options.Baseline = False,
    reply: options.ReplyOptions,
    record: Annotated[Path | None, typer.Option(help="Write everything that happens to this file.")] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Chat in lines, for screen readers and dumb terminals; takes a pipe too.")
    ] = False,
    attach: remote.Attach = None,
    connect: remote.Connect = None,
    api_key: remote.ApiKey = None,
    resume: chats.Resume = False,
    data: chats.Data = None,
    no_history: chats.NoHistory = False,
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Chat with a language model on this machine, faster by speculative decoding, and watch it happen."""
    given = dict(ctx.params)
    if ctx.invoked_subcommand is not None:
        refuse_misplaced(ctx, given)
        return
    choices = options.choose(ctx, given)
    lines = plain or only_lines()
    remote.check(attach, connect, said=_is_said(ctx, "connect"), plain=lines)
    request, settings = choices.request, choices.settings
    if lines:
        if record is not None:
            check_writable(record)
        from ..plain.start import start

        store = chats.open_store(data, no_history, settings["chat.save"])
        system = settings.system
        going_on = chats.resumed(ctx, store, request, system) if resume else chats.begun(request, system)
        with reader_may_leave():
            raise typer.Exit(start(choices, going_on, store, record))
    need_terminal('to print a reply here, use: helix-chat ask "..."')
    if record is not None:
        check_writable(record)
    from ..app import HelixApp
    from ..sent_file import SentFile
    from ..settings.on_screen import checked

    settings = checked(settings)
    settings.insist()
    source = remote.source_of(choices, attach, connect, api_key)
    store = chats.open_store(data, no_history, settings["chat.save"])
    conversation = chats.resumed(ctx, store, request, settings.system) if resume else None
    run(
        HelixApp(
            source,
            depth=request.speculation.depth,
            sampling=request.sampling,
            max_tokens=request.max_tokens,
            system=settings.system,
            seed=request.seed,
            record=record,
            settings=settings,
            sent=SentFile((data or data_folder()) / "sent.db") if settings["chat.history"] and not no_history else None,
            store=store,
            conversation=conversation,
        )
    )


def _is_said(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
