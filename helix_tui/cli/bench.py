"""`helix-chat bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import options
from ..interrupt import raising
from .terminal import reader_may_leave


@options.spread
def bench(
    *,
    section: Annotated[
        list[str] | None, typer.Option(help="What to measure, all unless told; give it again for more.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Many at once: the same as --section serve.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run of seconds; its figures mean little.")] = False,
    runs: Annotated[int, typer.Option(help="Rounds of every comparison; the middle one is shown.")] = 5,
    tokens: Annotated[int, typer.Option(help="New tokens of each reply.")] = 64,
    shape: Annotated[str | None, typer.Option(help="Random weights instead of a model: tinyllama or tiny.")] = None,
    alpha: Annotated[
        float | None, typer.Option(help="With --shape: set the share of drafted tokens that is accepted.")
    ] = None,
    models: options.ModelOptions,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> int:
    """Measure speed on this machine, against baseline and against others.

    Sections: rivals, prompts, depth, prefix, cache, utilisation, bandwidth, overhead, serve, logits.
    """
    from engine.bench import Settings

    settings = Settings(
        sections=(*(section or ()), *(("serve",) if serve else ())),
        quick=quick,
        runs=runs,
        tokens=tokens,
        shape=shape,
        alpha=alpha,
        target=models.target,
        draft=None if models.draft.lower() == "none" else models.draft,
        device=models.device,
        dtype=None if models.dtype.lower() == "auto" else models.dtype,
    )
    from .. import bench as benchmark

    with reader_may_leave(), raising():
        return benchmark.run(settings, json)
    return 0
