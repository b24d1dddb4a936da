"""The KV panel: the pool's blocks as cells, by state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from engine.events import Blocks

from ..figures import Pool, numbers
from .heading import heading, stack
from .units import count, percent

FREE, CACHED, FLIGHT, SHARED, HELD = range(5)
"""States of a block, from the idlest to the busiest."""
GLYPHS = "·□◆▣■"
STYLES = ("$block-free", "$block-cached", "$block-flight", "$block-shared", "$block-held")
NAMES = ("free", "remembered", "in flight", "reused", "in use")
SHORT = ("free", "kept", "flight", "reused", "used")


def states(blocks: Blocks, in_flight: int = 0) -> list[int]:
    """The state of each block of the pool.

    Blocks in flight were given back before the event was made, so which they were is not told; they are drawn on the
    first free ones behind the sequence's last block, which is where the allocator looks first.
    """
    result = [FREE] * blocks.total
    for number in numbers(blocks.cached):
        result[number] = CACHED
    table = list(numbers(blocks.table))
    for place, number in enumerate(table):
        result[number] = SHARED if place < blocks.shared else HELD
    behind = table[-1] + 1 if table else 0
    for number in [*range(behind, blocks.total), *range(behind)]:
        if in_flight <= 0:
            break
        if result[number] == FREE:
            result[number] = FLIGHT
            in_flight -= 1
    return result


@dataclass(frozen=True, slots=True)
class Map:
    """Cells for a pool. Each stands for `per_cell` blocks and shows the busiest of them; `beyond` blocks at the end
    of the pool, all free, are not drawn."""

    cells: Sequence[int]
    per_cell: int
    beyond: int


def layout(pool: Sequence[int], room: int) -> Map:
    """Fit a pool into `room` cells: whole if it fits, else up to its last busy block, else several blocks a cell."""
    room = max(1, room)
    if len(pool) <= room:
        return Map(pool, 1, 0)
    busy = next((i for i in range(len(pool) - 1, -1, -1) if pool[i] != FREE), -1) + 1
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
        foot.append(_legend(width))
    rows = max(1, height - 1 - len(foot))
    spaced = blocks.total * 2 <= width * rows
    per_row = max(1, width // 2 if spaced else width)
    drawn = layout(states(blocks, pool.in_flight), per_row * rows)
    note = _scale(drawn, blocks)
    if note and rows > 1:
        drawn = layout(states(blocks, pool.in_flight), per_row * (rows - 1))
        foot.insert(0, Content.assemble((_scale(drawn, blocks), "$faint")).truncate(width))
    grid = [_row(drawn.cells[i : i + per_row], spaced) for i in range(0, len(drawn.cells), per_row)]
    pad = [Content("")] * (height - 1 - len(foot) - len(grid))
    return stack([heading("KV blocks", figure, width), *grid, *foot, *pad], width, height)


def _row(cells: Sequence[int], spaced: bool) -> Content:
    """Neighbours in the same state share one styled stretch."""
    parts: list[tuple[str, str]] = []
    for state in cells:
        glyph = GLYPHS[state] + (" " if spaced else "")
        if parts and parts[-1][1] == STYLES[state]:
            parts[-1] = (parts[-1][0] + glyph, STYLES[state])
        else:
            parts.append((glyph, STYLES[state]))
    return Content.assemble(*parts)


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


def _legend(width: int) -> Content:
    for names, gap in ((NAMES, "  "), (SHORT, " ")):
        entries = [
            Content.assemble((GLYPHS[state], STYLES[state]), (f" {names[state]}", "$muted"))
            for state in (HELD, SHARED, FLIGHT, CACHED, FREE)
        ]
        line = Content(gap).join(entries)
        if line.cell_length <= width:
            break
    return line


def strip(pool: Pool) -> str:
    """In a few words, for narrow terminals."""
    if pool.blocks is None:
        return ""
    reused = f", {pool.reused_blocks} reused" if pool.reused_blocks else ""
    return f"KV {pool.used}/{pool.blocks.total}{reused}"
