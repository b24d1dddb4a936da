"""How much of the KV memory that sequences hold has tokens in it. The allocator alone: this needs no model."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from ...kv.blocks import BLOCK_SIZE, BlockAllocator, BlockTable
from ..lab import Lab
from ..report import Row, Spread

SEQUENCES = 16
SHORTEST, LONGEST = 20, 1500
CONTEXT = 2048
"""What a contiguous cache sets aside for each sequence."""
DEPTH = 4
MIXES = 5


def measure(lab: Lab) -> Iterator[Row]:
    """The lab's models are not used."""
    mixes = [simulate(seed) for seed in range(MIXES)]
    end, growing = ([mix[i] for mix in mixes] for i in (0, 1))
    contiguous = [mix[2] for mix in mixes]
    note = f"{SEQUENCES} sequences of {SHORTEST} to {LONGEST:,} tokens; contiguous: {CONTEXT:,} for each"
    yield _row("at full length", end, contiguous, note)
    yield _row("while growing, drafts in flight", growing, contiguous, "the mean over all cycles")


def _row(name: str, ours: list[float], theirs: list[float], note: str) -> Row:
    ratio = Spread.of(a / b for a, b in zip(ours, theirs, strict=True))
    return Row(name, "%", Spread.of(x * 100 for x in ours), Spread.of(x * 100 for x in theirs), ratio, MIXES, note)


def simulate(seed: int) -> tuple[float, float, float]:
    """Shares of the memory held that have tokens: at the end, on average while growing, and if it were contiguous.

    Lengths are spread evenly over the logarithm, so that short ones, which waste most, are common.
    """
    chance = random.Random(seed)
    lengths = [round(math.exp(chance.uniform(math.log(SHORTEST), math.log(LONGEST)))) for _ in range(SEQUENCES)]
    allocator = BlockAllocator(SEQUENCES * (-(-LONGEST // BLOCK_SIZE) + 1))
    tables = [BlockTable(allocator) for _ in lengths]
    for table, length in zip(tables, lengths, strict=True):
        table.append(max(1, length // 2))
    shares = []
    while any(t.length < n for t, n in zip(tables, lengths, strict=True)):
        for table, length in zip(tables, lengths, strict=True):
            if table.length < length:
                table.append(min(DEPTH + 1, length - table.length))
        shares.append(_share(tables))
        for table, length in zip(tables, lengths, strict=True):
            if table.length < length:
                table.rollback(table.length - chance.randint(0, DEPTH))
    return _share(tables), sum(shares) / len(shares), sum(lengths) / (SEQUENCES * CONTEXT)


def _share(tables: list[BlockTable]) -> float:
    return sum(t.length for t in tables) / (BLOCK_SIZE * sum(len(t.blocks) for t in tables))
