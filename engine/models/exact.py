"""Bitwise identity: every row meets the same shapes, whoever computes it and however many rows come with it.

A matrix product of 1 row and one of 5 add their terms in another order, so logits differ in their last bits, and once
in a long while a greedy choice with them. Here each forward has `ROWS` rows, padded where there are fewer, and
attention reads whole blocks: what a row gives then depends on its text alone, not on the depth, the batch, the chunks
of the prefill or what was cached. Within one shape a row's result does not depend on the others (tested, on CPUs).

Int8 needs less, and has it unasked: sums of whole numbers are the same in any order, so only attention has to meet the
same shapes (`steady`). It does in decoding and verifying, and in the part of a prompt that is never cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..kv.blocks import BLOCK_SIZE, BlockTable
from ..kv.cache import Segment
from ..kv.pool import Runs, slots

ROWS = 8
"""Rows of every forward: depth 7 still takes one."""
WAITING = BLOCK_SIZE
"""Tokens of text up to which all of them attend by the row in int8: what is never cached, or what decoding adds."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens start .. stop-1 of one span's sequence, within one block."""

    span: int
    start: int
    stop: int

    def segment(self, table: BlockTable, *, apart: bool = False) -> Segment:
        end = -(-self.stop // BLOCK_SIZE) * BLOCK_SIZE
        return Segment(
            self.stop - self.start,
            self.stop,
            slots(table, self.start, self.stop),
            slots(table, 0, end),
            rest(table, self.start, self.stop),
            apart,
        )


def rest(table: BlockTable, start: int, stop: int) -> Runs:
    """What follows tokens start .. stop-1 in a block that they begin: whoever begins one leaves nothing unwritten."""
    end = -(-stop // BLOCK_SIZE) * BLOCK_SIZE
    return slots(table, stop, end) if start <= end - BLOCK_SIZE else ()


def steady(table: BlockTable, rows: int, drafts: int) -> list[Segment]:
    """The last `rows` tokens, of which so many are drafts: a piece for each block, its rows to attend one by one.

    Of a prompt only the last block is such, which is what is left of it where the others are cached; those are one
    segment. Drafts that come with it change nothing.
    """
    length = table.length
    start, text = length - rows, length - drafts
    first = start if text - start <= WAITING else (text - 1) // BLOCK_SIZE * BLOCK_SIZE
    (pieces,) = tiles([(first, length)], share=True, rows=length - first)
    apart = [piece.segment(table, apart=True) for piece in pieces]
    if first == start:
        return apart
    return [Segment(first - start, first, slots(table, start, first), slots(table, 0, first)), *apart]


def tiles(spans: Sequence[tuple[int, int]], *, share: bool, rows: int = ROWS) -> list[list[Piece]]:
    """Spans (start, stop) of token positions cut into forwards of at most `rows` rows, in order.

    With `share`, pieces may lie in one forward; without, each has its own.
    """
    made: list[list[Piece]] = []
    room = 0
    for number, (start, stop) in enumerate(spans):
        while start < stop:
            if not room:
                made.append([])
                room = rows
            end = min(stop, start + room, (start // BLOCK_SIZE + 1) * BLOCK_SIZE)
            made[-1].append(Piece(number, start, end))
            room = room - (end - start) if share else 0
            start = end
    return made
