"""The only file that touches transformers' cache classes: a Cache whose every read and write goes to the paged pool.

All sequences of a forward are packed into one row `[1, rows]`. Nothing is padded, so no forward ever reads a slot that
its sequence does not own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

from ..errors import UnsupportedModel
from ..shortage import is_out_of_memory
from . import masks
from .masks import by_layer_type
from .padded import PaddedPack
from .pool import LayerShape, Runs, SlabStore


@dataclass(frozen=True, slots=True)
class Segment:
    """One sequence's part of a forward."""

    rows: int
    """New tokens."""
    length: int
    """Tokens in the pool once they are written."""
    write: Runs
    read: Runs
    rest: Runs = ()
    """Places after the text, to the end of its last block, that may hold anything and are cleared."""
    apart: bool = False
    """Its rows lie in one block and attend one by one, to the block's end: what a row gives does not depend on how many
    come with it (see `models/exact.py`)."""

    @property
    def past(self) -> int:
        return self.length - self.rows


@dataclass(slots=True)
class Pack:
    """What the layers must know about the forward that is running."""

    segments: Sequence[Segment]
    store: SlabStore
    tile: int | None = None
    """Rows that every forward has, those of padding at the end included; attention then reads whole blocks, one mask
    for each segment, so that all shapes a row meets depend on its position alone (see `models/exact.py`)."""
    positions: ClassVar[None] = None
    """Every segment's positions are consecutive."""
    masks: dict[tuple[int, int, int | None], Tensor] = field(default_factory=dict)
    """Additive masks by (rows, length, window): built once a forward, shared by all layers."""

    @property
    def padding(self) -> int:
        """Rows at the end that belong to nobody."""
        return self.tile - sum(s.rows for s in self.segments) if self.tile else 0

    def mask(self, segment: Segment, window: int | None, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """`[rows, length]`, 0 where a row may look and -inf elsewhere; None when every row may look everywhere."""
        if self.tile is None and not segment.apart:
            if window is not None and segment.length <= window:
                window = None
            if segment.rows == 1 and window is None:
                return None
        key = (segment.rows, segment.length, window)
        if key not in self.masks:
            hidden = ~visible(segment, window, device, self.tile)
            self.masks[key] = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill(hidden, float("-inf"))
        return self.masks[key]

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Store the new rows of all sequences, `[heads, rows, dim]`."""
        whole = len(self.segments) == 1 and not self.tile
        row = 0
        for segment in self.segments:
            rows = slice(row, row + segment.rows)
            mine = (keys, values) if whole else (keys[:, rows], values[:, rows])
            self.store.write(layer, segment.write, *mine)
            if segment.rest:
                self.store.clear(layer, segment.rest)
            row += segment.rows

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """K and V `[heads, total, dim]` of all sequences, one after the other."""
        return self.store.read(layer, tuple(run for segment in self.segments for run in segment.read))

    def masks_for(
        self,
        layer_types: Sequence[str] | None,
        window: int | None,
        additive: torch.dtype | None,
        device: torch.device,
    ) -> Any:
        """The explicit 4-D mask `[1, 1, rows, total length]`, or one for each layer type, that generic attention takes.

        Boolean, or additive in the dtype given. A row sees its own sequence's past and nothing of the others.
        """

        def build(window: int | None) -> Tensor:
            mask = torch.block_diag(*(visible(s, window, device, self.tile) for s in self.segments)).bool()[None, None]
            if additive is None:
                return mask
            return torch.zeros(mask.shape, dtype=additive, device=device).masked_fill(~mask, torch.finfo(additive).min)

        return by_layer_type(layer_types, window, build)


def visible(segment: Segment, window: int | None, device: torch.device, tile: int | None = None) -> Tensor:
    """Bool `[rows, length]`: which of the sequence's tokens each new row may look at.

    Where whole blocks are read their length counts. With a tile `[tile, length]`; a row of padding sees what the last
    row sees.
    """
    width = sum(count for _, count in segment.read)
    row = torch.arange(segment.past, segment.past + (tile or segment.rows), device=device)[:, None]
    if tile:
        row = row.clamp(max=segment.length - 1)
    return masks.visible(row, width, window)


class PagedLayer(CacheLayerMixin):
    """One layer's face towards transformers; all state is in the pack of the running forward."""

    is_sliding = False

    def __init__(self, owner: PagedCache, layer: int) -> None:
        super().__init__()
        self._owner, self._layer = owner, layer
        self.is_initialized = True

    def lazy_initialization(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to do: the pool exists."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the new rows `[1, heads, rows, dim]`; return what attention should read.

        Direct attention reads the pool itself. Generic attention gets every segment's KV, one after the other.
        """
        pack = self._owner.pack
        pack.write(self._layer, key_states[0], value_states[0])
        if self._owner.direct:
            return key_states, value_states
        keys, values = pack.read(self._layer)
        return keys[None], values[None]

    def get_mask_sizes(self, query_length: Any) -> tuple[int, int]:
        return sum(s.length for s in self._owner.pack.segments), 0

    def get_seq_length(self) -> int:
        return self._owner.pack.segments[0].past

    def get_max_length(self) -> int:
        return -1

    def get_max_cache_shape(self) -> int:
        return -1


class PagedCache(Cache):
    """`past_key_values` for a model whose KV lives in a pool."""

    pack: Pack | PaddedPack

    def __init__(self, layers: int, *, direct: bool) -> None:
        self.direct = direct
        super().__init__(layers=[PagedLayer(self, i) for i in range(layers)])


def layer_shapes(model: Any) -> list[LayerShape]:
    """What each cache layer of a model stores, found by running two tokens.

    Raises UnsupportedModel for layers that keep another state than keys and values (linear attention, SSM, hybrids).
    """
    cache = DynamicCache()
    ids = torch.zeros((1, 2), dtype=torch.long, device=model.device)
    kind = getattr(model.config, "model_type", "this model")
    try:
        with torch.no_grad():
            model(input_ids=ids, past_key_values=cache, use_cache=True)
        kept = [(layer.keys.shape, layer.values.shape) for layer in cache.layers]
        states = [len(k) == 4 and k[2] == 2 for k, _ in kept]
    except Exception as error:
        if is_out_of_memory(error):
            raise  # That says nothing of what the model keeps.
        raise UnsupportedModel(
            f"{kind} cannot run over a paged KV cache ({_first_line(error)}); choose another model."
        ) from error
    if not kept or not all(states):
        raise UnsupportedModel(
            f"{kind} keeps a state that is not keys and values, so it cannot be rolled back; choose another model."
        )
    return [LayerShape(k[1], k[3], v[3]) for k, v in kept]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
