"""Where stretches of a text stand on the lines it was laid out in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from rich.cells import cell_len

from .flow import Line

Marks = dict[int, tuple[int, int]]
"""For each line the part of it that belongs to a stretch: first character, and the one after the last."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One stretch: its characters `start` .. `stop - 1` of the text, and where its first ink stands."""

    start: int
    stop: int
    line: int
    cell: int


def begins(text: str, lines: Sequence[Line]) -> list[int]:
    """The place in the text of each line's first character: only line feeds stand between lines."""
    found, at = [], 0
    for line in lines:
        found.append(at)
        at += len(line.text)
        at += text[at : at + 1] == "\n"
    return found


def spots(text: str, lines: Sequence[Line], lengths: Sequence[int]) -> list[Spot]:
    """Of the stretches of so many characters each that follow one another in the text."""
    edges = list(accumulate(lengths, initial=0))
    starts = begins(text, lines)
    found, line = [], 0
    for start, stop in pairwise(edges):
        # A space before a word may hang over the end of the line before.
        ink = stop - len(text[start:stop].lstrip()) if text[start:stop].strip() else start
        while line + 1 < len(lines) and starts[line + 1] <= ink:
            line += 1
        found.append(Spot(start, stop, line, cell_len(lines[line].text[: ink - starts[line]])))
    return found


def marks(text: str, lines: Sequence[Line], start: int, stop: int) -> Marks:
    """The characters from `start` to `stop` by line; the place behind them where they are nothing to see."""
    found: Marks = {}
    for number, (line, begin) in enumerate(zip(lines, begins(text, lines), strict=True)):
        first, last = max(0, start - begin), min(len(line.text), stop - begin)
        if first < last:
            found[number] = (first, last)
    if not found:
        starts = begins(text, lines)
        number = max(i for i, begin in enumerate(starts) if begin <= start)
        found[number] = (start - starts[number], start - starts[number] + 1)
    return found


def above(spots: Sequence[Spot], number: int, by: int) -> int:
    """The stretch so many lines further down (or up) that stands nearest; the first or last past the end."""
    here = spots[number]
    rows = sorted({spot.line for spot in spots})
    at = rows.index(here.line) + by
    if not 0 <= at < len(rows):
        return 0 if at < 0 else len(spots) - 1
    same = [i for i, spot in enumerate(spots) if spot.line == rows[at]]
    return min(same, key=lambda i: (abs(spots[i].cell - here.cell), i))
