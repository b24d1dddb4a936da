"""The Memory panel: what lies on the device, as one stacked bar with its sizes."""

from __future__ import annotations

from textual.content import Content

from ..figures import Split
from .bars import split as share_out
from .heading import heading, stack
from .text import fit
from .units import size

PARTS = (
    ("target", "target", "█", "$memory-target"),
    ("draft", "draft", "▓", "$memory-draft"),
    ("kv_used", "KV in use", "▒", "$memory-kv"),
    ("kv_reserved", "KV reserved", "░", "$memory-reserved"),
    ("other", "other", "▞", "$memory-other"),
    ("free", "free", "·", "$memory-free"),
)
"""(field of Split, name, its pattern without colour, its colour)"""


def panel(split: Split | None, width: int, height: int, *, device: str = "", shapes: bool = False) -> Content:
    """Everything in `width` by `height` cells. Whatever is there gets at least one cell of the bar."""
    if split is None:
        return stack([heading("Memory", "", width)], width, height)
    used = f"{size(split.total - split.free)} of {size(split.total)}"
    lines = [heading(f"Memory {device}".rstrip(), used, width), bar(split, width, shapes=shapes)]
    columns = 2 if width >= 30 else 1
    cell = (width - (columns - 1) * 2) // columns
    entries = [_entry(split, i, cell, shapes) for i in range(len(PARTS))]
    for start in range(0, len(entries), columns):
        lines.append(Content("  ").join(entries[start : start + columns]))
    return stack(lines, width, height)


def bar(split: Split, width: int, *, shapes: bool = False) -> Content:
    sizes = [float(getattr(split, field)) for field, *_ in PARTS]
    parts = [
        ((glyph if shapes else "█") * cells, style)
        for (_, _, glyph, style), cells in zip(PARTS, share_out(sizes, width), strict=True)
    ]
    return Content.assemble(*parts)


def _entry(split: Split, index: int, width: int, shapes: bool) -> Content:
    field, name, glyph, style = PARTS[index]
    amount = size(getattr(split, field))
    room = max(0, width - 2 - len(amount) - 1)
    if len(name) > room:
        name = name.removeprefix("KV ")
    return Content.assemble(
        ((glyph if shapes else "■") + " ", style), (fit(name, room) + " ", "$muted"), (amount, "$foreground")
    )
