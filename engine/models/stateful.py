"""Models that keep a running state beside keys and values, or instead: state spaces, linear attention, hybrids.

A state cannot be taken back, so nothing is drafted for them and no text takes over another's past. Each text has a
state of its own, kept by transformers; its blocks in the pool only count its tokens.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from ..errors import UnsupportedModel
from ..kv.blocks import BlockAllocator, BlockTable
from ..kv.pool import LayerShape, block_bytes
from .paged import PagedModel, Span

SINGLY = 8
"""New tokens that are read one by one after what was read before; more are read anew with all of it.

Few architectures go on from a state with several tokens at once, and those that cannot say nothing."""
NAMES = ("past_key_values", "cache_params", "state")
"""What the state is called in a model's arguments and in what it returns."""
NOMINAL = [LayerShape(1, 1, 1)]


class StatefulTable(BlockTable):
    """A text and the state after it; cut, it is read again when it goes on."""

    def __init__(self, allocator: BlockAllocator) -> None:
        super().__init__(allocator)
        self.state: Any = None
        self.ids: list[int] = []

    def rollback(self, length: int) -> list[int]:
        if length < self.length:
            self.state = None
            del self.ids[length:]
        return super().rollback(length)


class StatefulModel(PagedModel):
    """Runs one text after the other over transformers' own cache of each."""

    stateful = True

    def __init__(self, model: Any, shapes: Sequence[LayerShape], blocks: int, *, parameters: int = 0) -> None:
        """`shapes` say what a token takes in the layers that do keep keys and values."""
        super().__init__(model, NOMINAL, blocks, "state", parameters=parameters, packs=False, remember=False)
        self.store.block_bytes = block_bytes(shapes, self.dtype)
        self._accepted = inspect.signature(type(model).forward).parameters
        self._name = next((name for name in NAMES if name in self._accepted), NAMES[0])

    def table(self) -> StatefulTable:
        return StatefulTable(self.allocator)

    def forward(self, spans: Sequence[Span]) -> Tensor:
        before = [span.table.length for span in spans]
        try:
            for span in spans:
                span.table.append(len(span.tokens))
            with torch.no_grad():
                return torch.cat([self._read(span) for span in spans])
        except BaseException:
            for span, length in zip(spans, before, strict=True):
                span.table.rollback(length)
            raise

    def _read(self, span: Span) -> Tensor:
        """Logits `[keep, vocab]` of one text's new tokens."""
        table = span.table
        assert isinstance(table, StatefulTable) and span.drafts is None
        new = span.tokens.tolist()
        if table.state is not None and len(new) <= SINGLY:
            rows = [self._step(table, [token], 1) for token in new][-span.keep :]
            return torch.cat(rows)
        old, table.ids, table.state = table.ids, [], None
        try:
            return self._step(table, [*old, *new], span.keep)
        except BaseException:
            table.ids, table.state = old, None
            raise

    def _step(self, table: StatefulTable, ids: list[int], keep: int) -> Tensor:
        start = len(table.ids)
        inputs: dict[str, Any] = {"input_ids": torch.tensor([ids], device=self.device), "use_cache": True}
        if "position_ids" in self._accepted:
            inputs["position_ids"] = torch.arange(start, start + len(ids), device=self.device)[None]
        if "logits_to_keep" in self._accepted:
            inputs["logits_to_keep"] = keep
        if table.state is not None:
            inputs[self._name] = table.state
        elif self._name == "past_key_values":
            inputs[self._name] = DynamicCache(config=self.model.config)
        out = self.model(**inputs)
        table.state = getattr(out, self._name)
        if table.state is None:
            raise UnsupportedModel(f"{self.config.model_type} keeps nothing of a text; choose another model.")
        table.ids += ids
        logits: Tensor = out.logits[0, -keep:]
        return logits


def stored_shapes(model: Any) -> list[LayerShape]:
    """What a token takes in those layers that keep keys and values; one number where none does."""
    if NAMES[0] not in inspect.signature(type(model).forward).parameters:
        return NOMINAL
    cache = DynamicCache(config=model.config)
    ids = torch.zeros((1, 2), dtype=torch.long, device=model.device)
    with torch.no_grad():
        model(input_ids=ids, past_key_values=cache, use_cache=True)
    kept: list[Any] = [layer for layer in cache.layers if getattr(layer, "keys", None) is not None]
    shapes = [LayerShape(x.keys.shape[1], x.keys.shape[3], x.values.shape[3]) for x in kept if x.keys.dim() == 4]
    return shapes or NOMINAL
