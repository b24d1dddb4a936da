"""The double helix on the first screen, in braille."""

from __future__ import annotations

import math

from textual.content import Content

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800
TURN = 22.0
"""Dots along the axis for one turn."""
RUNG = 4


def helix(width: int, height: int, phase: float = 0.0) -> Content:
    """Two strands around the horizontal axis with rungs between them, turned by `phase` radians."""
    width, height = max(0, width), max(0, height)
    strands = [[[0] * width for _ in range(height)] for _ in range(2)]
    rungs = [[0] * width for _ in range(height)]
    top = height * 4 - 1
    for x in range(width * 2):
        angle = 2 * math.pi * x / TURN + phase
        ends = [round((1 + math.sin(angle + shift)) / 2 * top) for shift in (0.0, math.pi)]
        for strand, y in zip(strands, ends, strict=True):
            strand[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
        if x % RUNG == 0 and abs(ends[0] - ends[1]) > 3:
            for y in range(min(ends) + 2, max(ends) - 1):
                rungs[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    lines = []
    for y in range(height):
        parts = []
        for x in range(width):
            first, second, rung = strands[0][y][x], strands[1][y][x], rungs[y][x]
            style = "$accent" if first else "$bonus" if second else "$faint"
            dots = first | second | rung
            parts.append((chr(_BLANK | dots) if dots else " ", style))
        lines.append(Content.assemble(*parts))
    return Content("\n").join(lines)
