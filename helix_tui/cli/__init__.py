"""`helix-chat` and its commands, one a file. Nothing heavy is imported before it is needed: no torch, no Textual."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from engine import HelixError

from . import ask, bench, chat, config, demo, doctor, export, history, race, replay, serve
from .group import app
from .terminal import complain, said, use_utf8

app.callback(invoke_without_command=True)(chat.chat)
# In the order of --help.
for command in (
    ask.ask,
    demo.demo,
    race.race,
    replay.replay,
    history.history,
    export.export,
    doctor.doctor,
    config.config,
    bench.bench,
    serve.serve,
):
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point. Returns the exit code: 0, 1 for a HelixError, 2 for wrong usage, 130 for Ctrl-C."""
    use_utf8()
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="helix-chat", standalone_mode=False)
    except HelixError as error:
        return complain(said(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        # The usage errors of typer come from click or, later, from its own copy of it.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "helix-chat"
        words = error.format_message()
        end = "" if words.endswith((".", "?", "!")) else "."
        return complain(f"{words}{end} (More: {path} --help)", getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0
