"""A forward whose shapes repeat: rows and lengths are padded to a few sizes, positions and masks are data from the CPU.

A device that compiles a kernel for every new shape, and never forgets one (DirectML), meets a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .block_store import BlockStore, Rebuild, rebuilds
from .blocks import BLOCK_SIZE, BlockTable
from .masks import by_layer_type, visible

HIDDEN = -1e30
"""What a mask adds where a row may not look; -inf may become NaN on the way."""
NARROW = 4
"""Blocks that the shortest text is read as."""


@dataclass(frozen=True, slots=True)
class Part:
    """One sequence's part of a padded forward."""

    rows: int
    """New tokens."""
    padded: int
    """Rows that it takes, those of padding behind its own included."""
    length: int
    """Tokens in the pool once they are written."""
    rebuilds: tuple[Rebuild, ...]
    blocks: tuple[int, ...]
    width: int
    """Blocks to read, zeros behind its own included."""

    @classmethod
    def of(cls, table: BlockTable, rows: int, device: torch.device) -> Part:
        """The last `rows` tokens of a table."""
        width = width_of(len(table.blocks))
        how = rebuilds(table, rows, device)
        return cls(rows, rows_of(rows), table.length, how, tuple(table.blocks), width)

    @property
    def past(self) -> int:
        return self.length - self.rows

    @property
    def positions(self) -> list[int]:
        """Of each row; rows of padding repeat the last one's."""
        return [min(place, self.length - 1) for place in range(self.past, self.past + self.padded)]

    def visible(self, window: int | None) -> Tensor:
        """Bool `[padded, width * 16]`, on the CPU: which tokens each row may look at."""
        return visible(torch.tensor(self.positions)[:, None], self.width * BLOCK_SIZE, window)


@dataclass(slots=True)
class PaddedPack:
    """What the layers must know about the forward that is running."""

    segments: Sequence[Part]
    store: BlockStore
    device: torch.device
    positions: Tensor = field(init=False)
    """`[rows]` of the whole forward, on the device."""
    masks: dict[tuple[int, int | None], Tensor] = field(default_factory=dict)
    """Additive float32 masks by (segment, window): made once a forward, shared by all layers."""

    def __post_init__(self) -> None:
        places = [place for part in self.segments for place in part.positions]
        self.positions = torch.tensor(places + [0] * self.padding).to(self.device)

    @property
    def rows(self) -> int:
        """Of the whole forward."""
        return rows_of(sum(part.padded for part in self.segments))

    @property
    def padding(self) -> int:
        """Rows at the end that belong to nobody."""
        return self.rows - sum(part.padded for part in self.segments)

    def mask(self, segment: int, window: int | None) -> Tensor:
        """`[padded, width * 16]`: 0 where a row of that segment may look."""
        part = self.segments[segment]
        key = (segment, window if window is not None and part.length > window else None)
        if key not in self.masks:
            self.masks[key] = _additive(part.visible(window), torch.float32, HIDDEN).to(self.device)
        return self.masks[key]

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Store the new rows of all sequences, `[heads, rows, dim]`."""
        row = 0
        for part in self.segments:
            rows = slice(row, row + part.padded)
            self.store.write(layer, part.rebuilds, keys[:, rows], values[:, rows])
            row += part.padded

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """K and V `[heads, total, dim]` of all sequences, one after the other."""
        parts = [self.store.read(layer, part.blocks, part.width) for part in self.segments]
        return torch.cat([k for k, _ in parts], dim=1), torch.cat([v for _, v in parts], dim=1)

    def masks_for(
        self, layer_types: Sequence[str] | None, window: int | None, additive: torch.dtype | None, device: torch.device
    ) -> Any:
        """As `Pack.masks_for`; rows that belong to nobody see everything, so that none is empty."""
        dtype = additive or torch.float32

        def build(window: int | None) -> Tensor:
            mask = torch.block_diag(*(part.visible(window) for part in self.segments)).bool()
            rest = torch.ones(self.padding, mask.shape[1], dtype=torch.bool)
            return _additive(torch.cat((mask, rest)), dtype, torch.finfo(dtype).min).to(device)[None, None]

        return by_layer_type(layer_types, window, build)


def rows_of(count: int) -> int:
    """The power of two that `count` rows are padded to."""
    return 1 << (count - 1).bit_length()


def width_of(blocks: int) -> int:
    """The blocks that `blocks` are padded to: powers of two from 4 and halfway between, 4 6 8 12 16 24 and so on."""
    if blocks <= NARROW:
        return NARROW
    power = rows_of(blocks)
    return 3 * power // 4 if blocks <= 3 * power // 4 else power


def _additive(mask: Tensor, dtype: torch.dtype, hidden: float) -> Tensor:
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, hidden)
