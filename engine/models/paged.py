"""A causal LM over its own paged KV pool: the one way in which target and draft are run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from ..kv import attention
from ..kv.blocks import BlockAllocator, BlockTable
from ..kv.cache import Pack, PagedCache, Segment
from ..kv.pool import LayerShape, SlabStore, slots
from . import exact
from .fused import FusedDecoder
from .int8_modules import int8_bytes
from .threads import ROWS, limited

Attention = Literal["fused", "paged", "sdpa", "eager"]
"""`fused` is our own decoder, `paged` our attention in the model's; both read the pool in place. The other two are the
model's own, over gathered KV."""


@dataclass(frozen=True, slots=True)
class Span:
    """New tokens `[rows]` of one sequence; the logits of the last `keep` are wanted."""

    table: BlockTable
    tokens: Tensor
    keep: int


class Replayed(Protocol):
    """Forwards that were captured."""

    def takes(self, span: Span) -> bool: ...

    def __call__(self, span: Span) -> Tensor:
        """Logits `[keep, vocab]`; the table has room for the rows already."""
        ...


class PagedModel:
    """`model` must already use the attention implementation that `attention` names (see `selfcheck.attach`)."""

    def __init__(
        self,
        model: Any,
        shapes: Sequence[LayerShape],
        blocks: int,
        attention: Attention,
        *,
        parameters: int = 0,
        packs: bool = True,
        fused: FusedDecoder | None = None,
        remember: bool = True,
        exact: bool = False,
    ) -> None:
        """`exact`: bit-identical logits however many rows a forward has (see `exact`)."""
        self.model = model
        self.config: Any = self.model.config.get_text_config()
        self.device: torch.device = self.model.device
        self.dtype: torch.dtype = fused.dtype if fused else self.model.dtype
        self.attention = attention
        self.shapes = shapes
        self.packs = packs
        self.exact = exact
        self.parameters = parameters
        self._fused = fused
        self.threads = fused.threads if fused and not exact else None
        """What a forward of few rows gets; None is torch's own number."""
        self.graphs: Replayed | None = None
        """Takes the small forwards of one sequence (see `graphs.enable`)."""
        self.store = SlabStore(shapes, blocks, self.dtype, self.device)
        self.allocator = BlockAllocator(blocks, remember=remember)
        self._cache = PagedCache(len(shapes), direct=attention == "paged")
        accepted = inspect.signature(type(model).forward).parameters
        self._takes_positions = "position_ids" in accepted
        self._takes_keep = "logits_to_keep" in accepted

    @property
    def vocab(self) -> int:
        """Rows of the output layer: tokens and any padding after them."""
        return int(self.config.vocab_size)

    @property
    def weights(self) -> tuple[str, int]:
        """The dtype of the weights by name, and their bytes."""
        if self._fused is not None:
            return self._fused.weight_dtype, self._fused.weight_bytes
        size = sum(w.numel() * w.element_size() for w in self.model.parameters())
        int8 = int8_bytes(self.model)
        return "int8" if int8 else str(self.dtype).removeprefix("torch."), size + int8

    def table(self) -> BlockTable:
        """An empty sequence."""
        return BlockTable(self.allocator)

    def forward(self, spans: Sequence[Span]) -> Tensor:
        """Logits `[sum of keep, vocab]` of the spans, whose KV is in the pool afterwards.

        Raises OutOfMemory when the pool is full, with every table as it was before.
        """
        before = [span.table.length for span in spans]
        try:
            if len(spans) > 1 and not self.packs and not self.exact:
                return torch.cat([self.forward([span]) for span in spans])
            for span in spans:
                for source, target in span.table.append(len(span.tokens)):
                    self.store.copy(source, target)
            return self._run_exact(spans, before) if self.exact else self._run(spans)
        except BaseException:
            for span, length in zip(spans, before, strict=True):
                span.table.rollback(length)
            raise

    @property
    def decoder(self) -> FusedDecoder | None:
        """Our own, where it fits the model."""
        return self._fused

    def _run(self, spans: Sequence[Span]) -> Tensor:
        if self.graphs is not None and len(spans) == 1 and self.graphs.takes(spans[0]):
            try:
                return self.graphs(spans[0])
            except Exception:  # A shape that could not be captured: what follows gives the same, a little later.
                self.graphs = None
        pack = Pack([_segment(span) for span in spans], self.store)
        return self._logits(_join([s.tokens for s in spans]), pack, self._kept(spans))

    def _run_exact(self, spans: Sequence[Span], starts: Sequence[int]) -> Tensor:
        """The same in forwards of one shape. All rows go through the output layer: its shape counts too."""
        none = torch.zeros(exact.ROWS, dtype=torch.long, device=self.device)
        share = self.packs and self.attention in ("fused", "paged")
        out = []
        for tile in exact.tiles([(a, a + len(s.tokens)) for a, s in zip(starts, spans, strict=True)], share=share):
            pack = Pack([p.segment(spans[p.span].table) for p in tile], self.store, exact.ROWS)
            parts = [spans[p.span].tokens[p.start - starts[p.span] : p.stop - starts[p.span]] for p in tile]
            ids = torch.cat([*parts, none[: pack.padding]])
            wanted = [i for p in tile for i in _wanted(p, spans[p.span], starts[p.span])]
            logits = self._logits(ids, pack, None)
            out.append(logits[torch.tensor(wanted, dtype=torch.bool, device=self.device).nonzero().squeeze(1)])
        return torch.cat(out)

    def _logits(self, ids: Tensor, pack: Pack, kept: Tensor | None) -> Tensor:
        # no_grad, not inference_mode: DirectML cannot use inference tensors.
        with torch.no_grad(), limited(self.threads if len(ids) <= ROWS else None):
            if self._fused is not None:
                return self._fused(ids, pack, kept)
            return self._run_model(ids, pack, kept)

    def _run_model(self, ids: Tensor, pack: Pack, kept: Tensor | None) -> Tensor:
        segments = pack.segments
        inputs: dict[str, Any] = {"input_ids": ids[None]}
        if self._takes_positions:
            places = [torch.arange(s.past, s.length, device=self.device) for s in segments]
            places.append(torch.zeros(pack.padding, dtype=torch.long, device=self.device))
            inputs["position_ids"] = _join(places)[None]
        if self.attention != "paged":
            additive = self.dtype if self.attention == "eager" else None
            kinds = getattr(self.config, "layer_types", None)
            window = getattr(self.config, "sliding_window", None)
            inputs["attention_mask"] = pack.masks_for(kinds, window, additive, self.device)
        if self._takes_keep and kept is not None:
            inputs["logits_to_keep"] = kept
        self._cache.pack = pack
        token = attention.running.set(pack)
        try:
            logits: Tensor = self.model(**inputs, past_key_values=self._cache, use_cache=True).logits[0]
        finally:
            attention.running.reset(token)
        return logits if self._takes_keep or kept is None else logits.index_select(0, kept)

    def _kept(self, spans: Sequence[Span]) -> Tensor | None:
        """Which rows of the pack `[rows]` have logits that are wanted; None for all."""
        if all(len(span.tokens) == span.keep for span in spans):
            return None
        rows: list[int] = []
        at = 0
        for span in spans:
            at += len(span.tokens)
            rows += range(at - span.keep, at)
        return torch.tensor(rows, dtype=torch.long, device=self.device)


def _segment(span: Span) -> Segment:
    length = span.table.length
    rows = len(span.tokens)
    return Segment(rows, length, slots(span.table, length - rows, length), slots(span.table, 0, length))


def _wanted(piece: exact.Piece, span: Span, start: int) -> list[bool]:
    """Of each of the piece's rows, whether its logits are."""
    first = start + len(span.tokens) - span.keep
    return [place >= first for place in range(piece.start, piece.stop)]


def _join(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
