"""`helix-chat ask`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from .. import options
from ..messages import clean
from .terminal import complain, reader_may_leave


@options.spread
def ask(
    ctx: typer.Context,
    prompt: Annotated[str | None, typer.Argument(help='The question; "-" reads it from stdin.')] = None,
    *,
    engine: options.EngineOptions,
    depth: options.Depth = None,
    baseline: options.Baseline = False,
    reply: options.ReplyOptions,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: the reply, its usage and the settings.")
    ] = False,
    events: Annotated[Path | None, typer.Option(help="Write all events to this file, for replay.")] = None,
) -> int:
    """Ask one question and print the reply as it comes."""
    from .. import ask as asking

    choices = options.choose(ctx, ctx.params)
    if prompt is None and sys.stdin.isatty():
        ctx.fail('Give a question, such as: helix-chat ask "Why is the sky blue?"')
    question = asking.read_question() if prompt in (None, "-") else str(prompt)
    for problem in choices.settings.problems:
        complain(problem, 0)
    said = choices.settings.system
    messages = [{"role": "system", "content": said}] if said else []
    messages.append({"role": "user", "content": question})
    messages = [{name: clean(text) for name, text in message.items()} for message in messages]
    with reader_may_leave():
        return asking.ask(replace(choices.request, messages=messages), choices.load, as_json=as_json, events=events)
    return 0
