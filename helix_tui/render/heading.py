"""A panel's first line: its name, a rule, and the one figure to look at."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content

from .text import fit


def heading(title: str, figure: str, width: int, style: str = "$foreground") -> Content:
    """`Title ──────────── figure` in exactly `width` cells."""
    title = fit(title, min(cell_len(title), width))
    room = width - cell_len(title) - 1
    if not figure or room < cell_len(figure) + 2:
        figure = "" if room < 6 else fit(figure, min(cell_len(figure), room - 2)) if figure else ""
    rule = "─" * max(0, room - (cell_len(figure) + 1 if figure else 0))
    parts: list[str | tuple[str, str]] = [(title, "bold $accent"), " " if room >= 0 else "", (rule, "$line")]
    if figure:
        parts += [" ", (figure, style)]
    return Content.assemble(*parts)


def stack(lines: list[Content], width: int, height: int) -> Content:
    """Lines as one block of at most `width` by `height` cells."""
    return Content("\n").join([line.truncate(max(0, width)) for line in lines[: max(0, height)]])
