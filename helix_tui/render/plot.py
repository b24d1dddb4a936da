"""A plot of points in plain characters: series differ by glyph, so it reads without colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

GLYPHS = "●◆▲■"
STYLES = ("cyan", "yellow", "magenta", "green")
LEVEL, PROMISE = "┄", "·"


@dataclass(frozen=True, slots=True)
class Line:
    """Points by x, and what was expected at each (None where nothing was)."""

    name: str
    points: Sequence[tuple[float, float]]
    expected: Sequence[tuple[float, float]] = ()


def plot(lines: Sequence[Line], width: int, height: int = 12, level: float = 1.0, x_name: str = "") -> Text:
    """All lines in one frame with `level` drawn across: `width` columns in all, `height` rows for the points."""
    every = [p for line in lines for p in (*line.points, *line.expected)]
    if not every:
        return Text()
    left = 7
    inner = max(12, width - left)
    xs = [x for x, _ in every]
    low = min(level, *(y for _, y in every))
    high = max(level, *(y for _, y in every))
    # Room above and below, and no division by nothing when all is one height.
    low, high = low - 0.05 * (high - low or 1), high + 0.05 * (high - low or 1)
    grid = [[(" ", "")] * inner for _ in range(height)]

    def column(x: float) -> int:
        return round((x - min(xs)) / ((max(xs) - min(xs)) or 1) * (inner - 1))

    def row(y: float) -> int:
        return height - 1 - round((y - low) / (high - low) * (height - 1))

    grid[row(level)] = [(LEVEL, "dim")] * inner
    for number, line in enumerate(lines):
        style = STYLES[number % len(STYLES)]
        for (x1, y1), (x2, y2) in zip(line.expected, line.expected[1:], strict=False):
            for at in range(column(x1), column(x2) + 1):
                share = (at - column(x1)) / ((column(x2) - column(x1)) or 1)
                grid[row(y1 + (y2 - y1) * share)][at] = (PROMISE, style)
    for number, line in enumerate(lines):
        for x, y in line.points:
            grid[row(y)][column(x)] = (GLYPHS[number % len(GLYPHS)], f"bold {STYLES[number % len(STYLES)]}")
    text = Text(no_wrap=True)
    for index, cells in enumerate(grid):
        value = high - (high - low) * index / (height - 1)
        edge = f"{level:.2f}" if index == row(level) else f"{value:.2f}"
        text.append(f"{edge:>5} ┤" if index % 3 == 0 or index == row(level) else "      │", "dim")
        for glyph, style in cells:
            text.append(glyph, style)
        text.append("\n")
    text.append(" " * 6 + "└" + "─" * inner + "\n", "dim")
    text.append(_axis(sorted(set(xs)), column, left, left + inner, x_name), "dim")
    text.append("\n")
    for number, line in enumerate(lines):
        mark = f"{GLYPHS[number % len(GLYPHS)]} {line.name}"
        text.append(f"{' ' * left}{mark}", STYLES[number % len(STYLES)])
        text.append(f"   {PROMISE * 3} expected\n" if line.expected else "\n", "dim")
    return text


def _axis(xs: Sequence[float], column: object, left: int, width: int, name: str) -> str:
    """The numbers below the frame that have room, and the name of the axis at the right if it fits."""
    assert callable(column)
    cells = [" "] * width
    for x in xs:
        label = f"{x:g}"
        at = min(left + column(x), width - len(label))
        if all(c == " " for c in cells[max(0, at - 1) : at + len(label)]):
            cells[at : at + len(label)] = label
    return "".join(cells).rstrip() + (f"  {name}" if name else "")
