"""The loading line: stage, how far, how long."""

from __future__ import annotations

from textual.content import Content

from engine.events import Loading

from .bars import bar
from .text import fit, safe
from .units import percent, seconds, size

BYTES_FROM = 100_000
"""A total above this is bytes, below it steps."""


def loading(event: Loading | None, elapsed: float, width: int) -> Content:
    """`loading target  ━━━━━━────  62 %  31 of 50 MB  1.2 s`, in at most `width` cells."""
    stage = safe(event.stage) if event is not None else "starting"
    parts: list[Content | str | tuple[str, str]] = [(fit(stage, min(len(stage), max(8, width - 10))), "$foreground")]
    if event is not None and event.total > 0:
        share = event.done / event.total
        if width >= 44:
            parts += ["  ", bar(share, 16)]
        parts.append((f"  {percent(share)}", "$muted"))
        if width >= 60 and event.total >= BYTES_FROM:
            parts.append((f"  {size(event.done)} of {size(event.total)}", "$faint"))
    parts.append((f"  {seconds(elapsed)}", "$faint"))
    return Content.assemble(*parts).truncate(width)
