"""Where a scrolled view stays when what it shows changes its height."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Places = Mapping[Any, tuple[int, int]]
"""For each turn, its first line and its height."""


def kept(scroll: int, before: Places, after: Places, *, rewrapped: bool = False) -> int:
    """The scroll position at which the topmost turn in view is still at its place.

    `rewrapped`: the width changed, so that a place in the middle of a turn moves with its height.
    """
    for turn, (top, height) in before.items():
        if top + height > scroll and turn in after:
            new_top, new_height = after[turn]
            inside = scroll - top
            if rewrapped and inside > 0:
                inside = round(inside * new_height / max(1, height))
            return max(0, new_top + min(inside, max(0, new_height - 1)))
    return scroll
