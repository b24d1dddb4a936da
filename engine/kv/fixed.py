"""A forward whose shapes do not depend on the text: all that changes is numbers in tensors, so that it can be replayed.

One sequence, `rows` new tokens over at most `length` places. Rows of padding repeat the last real one: they write the
same KV to the same slot. Places past the text repeat its last: whatever lies in a free block is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .blocks import BLOCK_SIZE
from .pool import SlabStore


def plan(past: int, count: int, blocks: Sequence[int], rows: int, length: int) -> list[int]:
    """The numbers of a forward: `rows` positions, then `length / 16` block numbers.

    `count` <= `rows` tokens come after `past` others; `blocks` is the sequence's table, room for the new ones included.
    """
    last = past + count - 1
    used = blocks[: last // BLOCK_SIZE + 1]
    places = [*range(past, last + 1), *[last] * (rows - count)]
    return [*places, *used, *[used[-1]] * (length // BLOCK_SIZE - len(used))]


Kernel = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float, int | None], Tensor]
"""Attention that reads the slabs itself, as `triton_decode.paged_decode`."""
KERNEL_ROWS = 64
"""Rows of one KV head, all its query heads together, up to which a program of such a kernel has registers for them."""


class FixedPack:
    """The `Pack` of such a forward. Made anew inside it: everything here is computed on the device."""

    def __init__(self, store: SlabStore, numbers: Tensor, rows: int, length: int, kernel: Kernel | None = None) -> None:
        """`numbers` is a `plan` as a long tensor on the device. Without a `kernel` the KV is gathered first."""
        self._kernel = kernel
        self.places = numbers[:rows]
        self._store = store
        self._table = numbers[rows:]
        self._columns = torch.arange(length, device=numbers.device)
        self._writes = self._slots(self.places)
        self._reads = self._slots(torch.minimum(self._columns, self.places[-1:]))
        self._masks: dict[int | None, Tensor] = {}

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Store the new rows, `[heads, rows, dim]`."""
        self._store.keys[layer].index_copy_(1, self._writes, keys)
        self._store.values[layer].index_copy_(1, self._writes, values)

    def attend(self, layer: int, query: Tensor, scale: float, window: int | None) -> Tensor:
        """`query` `[heads, rows, dim]` over the sequence's KV, to `[heads, rows, value_dim]`."""
        keys, values = self._store.keys[layer], self._store.values[layer]
        heads, rows, dim = query.shape
        group = heads // keys.shape[0]
        if self._kernel is not None and group * rows <= KERNEL_ROWS:
            return self._kernel(query, keys, values, self._table, self.places, scale, window)
        keys, values = keys.index_select(1, self._reads), values.index_select(1, self._reads)
        q = query.reshape(keys.shape[0], 1, group * rows, dim)
        mask = self._mask(window).repeat(group, 1)
        out = F.scaled_dot_product_attention(q, keys[:, None], values[:, None], attn_mask=mask, scale=scale)
        return out.reshape(heads, rows, values.shape[-1])

    def _slots(self, places: Tensor) -> Tensor:
        blocks = self._table.index_select(0, places // BLOCK_SIZE)
        return blocks * BLOCK_SIZE + places % BLOCK_SIZE

    def _mask(self, window: int | None) -> Tensor:
        """Bool `[rows, length]`: what each row may look at; the same for all layers of a window."""
        if window not in self._masks:
            distance = self.places[:, None] - self._columns
            seen = distance >= 0
            self._masks[window] = seen if window is None else seen & (distance < window)
        return self._masks[window]
