"""What an audience reads from the last row: tokens a second and the gain, in the largest digits that fit."""

from __future__ import annotations

from textual.content import Content

from ..speed import Speed
from .digits import ROWS, large
from .units import rate

GAP = 3
SCALES = (3, 2, 1)
RATE = "tokens a second"
GAIN = "as fast as the target alone"
NO_GAIN = "no baseline to compare with yet"
USUAL = ("888", "8.88×")
"""What the room is measured by, so that the digits keep their size while they change."""


def digits_height(width: int, height: int) -> int:
    """Rows that `digits` fills of a room of that size."""
    scale, beside = _layout(width, height)
    each = ROWS * scale + 1
    return min(height, each if beside else 2 * each + 1)


def digits(speed: Speed, width: int, height: int) -> Content:
    """Both figures with what they are, side by side or one above the other, in `width` by `height` cells."""
    scale, beside = _layout(width, height)
    now, ratio = speed.now, speed.ratio
    shown = "–" if now is None else rate(now) if now < 9.95 else f"{now:.0f}"
    gained = "–" if ratio is None else f"{ratio:.2f}×"
    style = "$faint" if ratio is None else "bold $corrected" if ratio < 0.995 else "bold $accepted"
    first = _figure(shown, RATE, scale, "$faint" if now is None else "bold $foreground")
    second = _figure(gained, GAIN if ratio is not None else NO_GAIN, scale, style)
    if beside:
        left = max(_width(USUAL[0], scale), len(RATE), *(line.cell_length for line in first)) + GAP
        lines = [Content.assemble(a.pad_right(left - a.cell_length), b) for a, b in zip(first, second, strict=True)]
    else:
        lines = [*first, Content(""), *second]
    return Content("\n").join([line.truncate(width) for line in lines[:height]])


def _figure(text: str, label: str, scale: int, style: str) -> list[Content]:
    lines = [Content.assemble((row, style)) for row in large(text, scale)]
    return [*lines, Content.assemble((label, "$muted"))]


def _layout(width: int, height: int) -> tuple[int, bool]:
    """The scale, and whether the figures stand side by side."""
    for scale in SCALES:
        rows = ROWS * scale + 1
        first, second = (_width(text, scale) for text in USUAL)
        if rows <= height and max(first, len(RATE)) + GAP + max(second, len(GAIN)) <= width:
            return scale, True
        if 2 * rows + 1 <= height and max(first, second, len(GAIN)) <= width:
            return scale, False
    return 1, _width("".join(USUAL), 1) + GAP <= width


def _width(text: str, scale: int) -> int:
    return len(large(text, scale)[0])
