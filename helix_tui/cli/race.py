"""`helix-chat race`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import options
from ..messages import Question
from ..starters import STARTERS
from .terminal import complain, need_terminal, reader_may_leave, run


@options.spread
def race(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(help="The question to race on.")] = STARTERS[0],
    *,
    engine: options.EngineOptions,
    depth: options.Depth = None,
    reply: options.ReplyOptions,
    runs: Annotated[int, typer.Option(min=1, help="Rounds, in turned order, where it is printed.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of opening the app.")] = False,
) -> int:
    """Race baseline against speculative on one question; to a file or a pipe, print what was measured."""
    choices = options.choose(ctx, ctx.params)
    request, said = choices.request, choices.settings.system
    messages = ({"role": "system", "content": said},) if said else ()
    question = Question(
        (*messages, {"role": "user", "content": prompt}),
        request.speculation.depth,
        request.sampling,
        request.max_tokens,
        request.seed,
    )
    question.request()  # refuses a bad one before the load
    if as_json or not sys.stdout.isatty():
        from ..plain_race import race as print_race

        for problem in choices.settings.problems:
            complain(problem, 0)
        with reader_may_leave():
            return print_race(question, choices.load, runs=runs, as_json=as_json)
        return 0
    need_terminal("to print what was measured, use: helix-chat race --json")
    from ..app import HelixApp
    from ..settings.on_screen import checked
    from ..sources import LiveSource

    settings = checked(choices.settings)
    settings.insist()
    source = LiveSource(
        choices.target, choices.draft, choices.device, choices.dtype,
        drafter=choices.drafter, exact=choices.exact, **choices.memory, **choices.trust,
    )  # fmt: skip
    run(
        HelixApp(
            source,
            depth=question.depth,
            sampling=question.sampling,
            max_tokens=question.max_tokens,
            system=said,
            seed=question.seed,
            race=question.messages,
            settings=settings,
        )
    )
    return 0
