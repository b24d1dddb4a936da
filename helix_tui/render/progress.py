"""Where a replay is: time, a line with a mark where each reply begins, speed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from textual.content import Content

NARROW = 16
"""A line shorter than this says nothing."""


def progress(position: float, end: float, marks: Sequence[float], speed: float, width: int, *, held: bool) -> Content:
    """`▶ 0:12 / 0:45  ━━┿━━━●──┼───┼──  reply 2 of 4  0.5×` in `width` cells; times in seconds."""
    left = Content.assemble(("‖ " if held else "▶ ", "bold $replay"), (clock(position), "bold $foreground"))
    left = Content.assemble(left, (f" / {clock(end)}", "$muted"))
    right = Content.assemble((f"{speed:g}×", "$foreground" if speed == 1 else "bold $replay"))
    reply = f"reply {max(1, bisect_right(marks, position))} of {len(marks)}"
    if marks and width - left.cell_length - right.cell_length - len(reply) - 6 >= NARROW:
        right = Content.assemble((reply, "$muted"), "  ", right)
    room = width - left.cell_length - right.cell_length - 4
    if room < NARROW:
        gap = max(1, width - left.cell_length - right.cell_length)
        return Content.assemble(left, " " * gap, right).truncate(width)
    return Content.assemble(left, "  ", line(position, end, marks, room), "  ", right)


def line(position: float, end: float, marks: Sequence[float], width: int) -> Content:
    """`━━┿━━━●──┼───┼──`: what was played, where it is, and the replies."""

    def cell(at: float) -> int:
        return min(width - 1, int(at / end * width)) if end > 0 else 0

    head = cell(position)
    begins = {cell(mark) for mark in marks}
    played = "".join("┿" if i in begins else "━" for i in range(head))
    left = "".join("┼" if i in begins else "─" for i in range(head + 1, width))
    return Content.assemble((played, "$replay"), ("●", "bold $replay"), (left, "$faint"))


def clock(seconds: float) -> str:
    """`0:07`, `12:30`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
