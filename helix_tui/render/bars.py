"""Bars and curves out of block characters."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

LEVELS = " ▁▂▃▄▅▆▇█"


def column(share: float) -> str:
    """One cell filled from below. Anything above nothing is visible, anything below all is not full."""
    if share <= 0:
        return LEVELS[0]
    if share >= 1:
        return LEVELS[8]
    return LEVELS[min(7, max(1, round(share * 8)))]


def bar(share: float, width: int, style: str = "$accent") -> Content:
    """A thin bar of `width` cells filled from the left, to half a cell. Only nothing is empty, only all is full."""
    halves = round(min(1.0, max(0.0, share)) * width * 2)
    if width > 0:
        halves = max(halves, 1) if share > 0 else 0
        halves = min(halves, width * 2 - 1) if share < 1 else width * 2
    full, half = divmod(halves, 2)
    return Content.assemble(("━" * full + "╸" * half, style), ("━" * (width - full - half), "$bar-track"))


def sparkline(values: Sequence[float], width: int, rows: int = 1) -> list[str]:
    """The last `width` values as columns from zero to their maximum, in `rows` lines from the top."""
    shown = values[-width:] if width > 0 else []
    high = max(shown, default=0.0)
    eighths = [max(1, round(v / high * 8 * rows)) if high > 0 else 1 for v in shown]
    return [
        "".join(LEVELS[min(8, max(0, e - 8 * row))] for e in eighths).ljust(max(0, width))
        for row in reversed(range(rows))
    ]


def split(sizes: Sequence[float], width: int) -> list[int]:
    """Cells for each part of a stacked bar: `width` in all, in proportion, and at least one for whatever is not zero.

    With more parts than cells the first ones win.
    """
    present = [i for i, size in enumerate(sizes) if size > 0]
    cells = [0] * len(sizes)
    for i in present[:width]:
        cells[i] = 1
    left = width - sum(cells)
    total = sum(sizes[i] for i in present)
    if left <= 0 or not total:
        return cells
    ideal = {i: max(0.0, sizes[i] / total * width - 1) for i in present}
    scale = left / sum(ideal.values()) if sum(ideal.values()) else 0.0
    exact = {i: ideal[i] * scale for i in present}
    for i in present:
        cells[i] += int(exact[i])
    order = sorted(present, key=lambda i: int(exact[i]) - exact[i])
    for i in order[: width - sum(cells)]:
        cells[i] += 1
    return cells
