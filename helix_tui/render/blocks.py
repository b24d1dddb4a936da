"""The KV panel: the pool's blocks as cells, by state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from textual.content import Content

from engine.events import Blocks

from ..pool import Pool, numbers
from .heading import heading, stack
from .units import count, percent

FREE, CACHED, FLIGHT, SHARED, HELD = range(5)
"""States of a block, from the idlest to the busiest."""
GLYPHS = "·□◆▣■"
STYLES = ("$block-free", "$block-cached", "$block-flight", "$block-shared", "$block-held")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
OWNERS = 6
"""Colours for owners, over and over."""
NAMES = ("free", "remembered", "in flight", "reused", "in use")
SHORT = ("free", "kept", "flight", "reused", "used")


class Cell(NamedTuple):
    """One block, or the busiest of several: they compare by state first."""

    state: int
    seat: int = -1
    """Whose it is, where several requests hold blocks (`Owner.seat`)."""

    @property
    def glyph(self) -> str:
        return GLYPHS[self.state] if self.seat < 0 else LETTERS[self.seat % len(LETTERS)]

    @property
    def style(self) -> str:
        return STYLES[self.state] if self.seat < 0 else owner_style(self.seat)


def owner_style(seat: int) -> str:
    """The colour of an owner among several."""
    return f"bold $owner-{seat % OWNERS + 1}"


def cells(pool: Pool) -> list[Cell]:
    """Each block of the pool. One request's blocks are simply in use; those of several have a letter and a colour each,
    but not what two of them share."""
    if pool.blocks is None:
        return []
    result = [Cell(FREE)] * pool.blocks.total
    for number in numbers(pool.blocks.cached):
        result[number] = Cell(CACHED)
    for number in pool.in_flight:
        result[number] = Cell(FLIGHT)
    for number, held in pool.holders().items():
        owner, place = held[0]
        shared = len(held) > 1 or place < owner.blocks.shared
        result[number] = Cell(SHARED) if shared else Cell(HELD, owner.seat if pool.several else -1)
    return result


@dataclass(frozen=True, slots=True)
class Map:
    """Cells for a pool. Each stands for `per_cell` blocks and shows the busiest of them; `beyond` blocks at the end
    of the pool, all free, are not drawn."""

    cells: Sequence[Cell]
    per_cell: int
    beyond: int


def layout(pool: Sequence[Cell], room: int) -> Map:
    """Fit a pool into `room` cells: whole if it fits, else up to its last busy block, else several blocks a cell."""
    room = max(1, room)
    if len(pool) <= room:
        return Map(pool, 1, 0)
    busy = next((i for i in range(len(pool) - 1, -1, -1) if pool[i].state != FREE), -1) + 1
    if busy <= room:
        return Map(pool[:room], 1, len(pool) - room)
    per_cell = -(-len(pool) // room)
    return Map([max(pool[i : i + per_cell]) for i in range(0, len(pool), per_cell)], per_cell, 0)


def panel(pool: Pool, width: int, height: int) -> Content:
    """Everything in `width` by `height` cells."""
    blocks = pool.blocks
    if blocks is None:
        return stack([heading("KV blocks", "", width)], width, height)
    figure = f"{pool.used:,} of {count(blocks.total, 'block')}"
    foot = [_status(pool, width)]
    if height >= 6:
        foot.append(legend(pool, width))
    rows = max(1, height - 1 - len(foot))
    spaced = blocks.total * 2 <= width * rows
    per_row = max(1, width // 2 if spaced else width)
    every = cells(pool)
    drawn = layout(every, per_row * rows)
    note = _scale(drawn, blocks)
    if note and rows > 1:
        drawn = layout(every, per_row * (rows - 1))
        foot.insert(0, Content.assemble((_scale(drawn, blocks), "$faint")).truncate(width))
    grid = [_row(drawn.cells[i : i + per_row], spaced) for i in range(0, len(drawn.cells), per_row)]
    pad = [Content("")] * (height - 1 - len(foot) - len(grid))
    return stack([heading("KV blocks", figure, width), *grid, *foot, *pad], width, height)


def _row(cells: Sequence[Cell], spaced: bool) -> Content:
    """Neighbours that look the same share one styled stretch."""
    gap = " " if spaced else ""
    return Content.assemble(*(((first.glyph + gap) * len(list(same)), first.style) for first, same in groupby(cells)))


def _scale(drawn: Map, blocks: Blocks) -> str:
    if drawn.per_cell > 1:
        return f"one cell = {drawn.per_cell} blocks of {blocks.size} tokens, the busiest shown"
    if drawn.beyond:
        return f"and {drawn.beyond:,} more, all free"
    return ""


def _status(pool: Pool, width: int) -> Content:
    """`5 reused (80 tokens) · 3 remembered · 96 % full`."""
    said: list[str] = []
    if pool.reused_blocks:
        said.append(f"{pool.reused_blocks} reused = {pool.reused_tokens} of {pool.prompt_tokens} prompt tokens")
    if pool.remembered:
        said.append(f"{pool.remembered} remembered")
    if pool.utilisation is not None:
        said.append(f"{percent(pool.utilisation)} full")
    if len(" · ".join(said)) > width and pool.reused_blocks:
        said[0] = f"{pool.reused_blocks} reused"
    return Content.assemble((" · ".join(said), "$muted")).truncate(width, ellipsis=True)


def legend(pool: Pool, width: int) -> Content:
    """The glyphs and what they mean; of several owners the letters, and how many there are."""
    for names, gap in ((NAMES, "  "), (SHORT, " ")):
        entries = [
            _meaning(GLYPHS[state], STYLES[state], names[state]) for state in (HELD, SHARED, FLIGHT, CACHED, FREE)
        ]
        if pool.several:
            entries[0] = _owners(pool, names is NAMES)
        line = Content(gap).join(entries)
        if line.cell_length <= width:
            break
    return line


def _meaning(glyph: str, style: str, name: str) -> Content:
    return Content.assemble((glyph, style), (f" {name}", "$muted"))


def _owners(pool: Pool, long: bool) -> Content:
    """`abc 3 replies`."""
    seats = sorted(owner.seat for owner in pool.owners.values())[:OWNERS]
    marks = [(LETTERS[seat % len(LETTERS)], owner_style(seat)) for seat in seats]
    return Content.assemble(*marks, (f" {len(pool.owners)} replies" if long else " used", "$muted"))


def strip(pool: Pool) -> str:
    """In a few words, for narrow terminals."""
    if pool.blocks is None or not pool.blocks.total:
        return ""
    reused = f", {pool.reused_blocks} reused" if pool.reused_blocks else ""
    return f"KV {pool.used}/{pool.blocks.total}{reused}"
