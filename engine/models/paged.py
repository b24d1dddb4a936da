"""A causal LM over its own paged KV pool: the one way in which target and draft are run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from ..config import Layout
from ..kv import attention
from ..kv.block_store import BlockStore
from ..kv.blocks import BlockAllocator, BlockTable
from ..kv.cache import Pack, PagedCache, Segment
from ..kv.padded import PaddedPack, Part, rows_of
from ..kv.pool import LayerShape, SlabStore, slots
from . import exact
from .fused import FusedDecoder
from .int8_modules import int8_bytes
from .threads import ROWS, limited

Attention = Literal["fused", "paged", "sdpa", "eager", "state"]
"""`fused` is our own decoder, `paged` our attention in the model's; both read the pool in place. The other two are the
model's own, over gathered KV; `state` is a model that keeps one, see `stateful`."""
STORES: dict[Layout, type[SlabStore] | type[BlockStore]] = {"slab": SlabStore, "blocks": BlockStore}


@dataclass(frozen=True, slots=True)
class Span:
    """New tokens of one sequence: `tokens` `[n]`, best on the CPU, and behind them `drafts` `[d]`, on the device.

    The logits of the last `keep` are wanted.
    """

    table: BlockTable
    tokens: Tensor
    keep: int
    drafts: Tensor | None = None

    @property
    def rows(self) -> int:
        return len(self.tokens) + (0 if self.drafts is None else len(self.drafts))


class Replayed(Protocol):
    """Forwards that were captured."""

    def takes(self, span: Span) -> bool: ...

    def __call__(self, span: Span) -> Tensor:
        """Logits `[keep, vocab]`; the table has room for the rows already."""
        ...


class PagedModel:
    """`model` must already use the attention implementation that `attention` names (see `selfcheck.attach`)."""

    stateful = False
    """Whether it keeps a state that cannot be rolled back: nothing may be drafted for it."""

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
        kv: Layout = "slab",
    ) -> None:
        """`exact`: bit-identical logits however many rows a forward has (see `exact`); needs the slab."""
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
        self._steady = fused is not None and fused.weight_dtype == "int8"
        """Whether rows attend apart (see `exact`)."""
        self.threads = fused.threads if fused and not exact else None
        """What a forward of few rows gets; None is torch's own number."""
        self.graphs: Replayed | None = None
        """Takes the small forwards of one sequence (see `graphs.enable`)."""
        self.store = STORES[kv](shapes, blocks, self.dtype, self.device)
        self.allocator = BlockAllocator(blocks, remember=remember)
        self._cache = PagedCache(len(shapes), direct=attention == "paged")
        accepted = inspect.signature(type(model).forward).parameters
        self._takes_positions = "position_ids" in accepted
        self._takes_keep = "logits_to_keep" in accepted and not self.padded

    @property
    def padded(self) -> bool:
        """Whether shapes repeat and drafts are judged on the CPU, as a device wants that cannot have a slab."""
        return isinstance(self.store, BlockStore)

    @property
    def judge(self) -> torch.device:
        """Where drafts are judged by what the logits say."""
        return torch.device("cpu") if self.padded else self.device

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
                for source, target in span.table.append(span.rows):
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
        if isinstance(self.store, BlockStore):
            return self._run_padded(spans, self.store)
        if self.graphs is not None and len(spans) == 1:
            span = Span(spans[0].table, self._ids(spans[0]), spans[0].keep)
            try:
                if self.graphs.takes(span):
                    return self.graphs(span)
            except Exception:  # A shape that could not be captured: what follows gives the same, a little later.
                self.graphs = None
        pack = Pack([segment for span in spans for segment in self._segments(span)], self.store)
        return self._logits(_join([self._ids(s) for s in spans]), pack, self._kept(spans))

    def _run_padded(self, spans: Sequence[Span], store: BlockStore) -> Tensor:
        """The same in a forward whose shapes repeat; drafts stay on the device."""
        parts = [Part.of(span.table, span.rows, self.device) for span in spans]
        pack = PaddedPack(parts, store, self.device)
        known, order = _places(spans, parts, pack.rows)
        ids = torch.cat([known.to(self.device), *(s.drafts for s in spans if s.drafts is not None)])
        kept = _kept_rows([part.padded for part in parts], spans)
        padded = kept + [0] * (rows_of(len(kept)) - len(kept))
        logits = self._logits(ids.index_select(0, order.to(self.device)), pack, torch.tensor(padded).to(self.device))
        return logits[: len(kept)]

    def _segments(self, span: Span) -> list[Segment]:
        return exact.steady(span.table, span.rows, max(0, span.keep - 1)) if self._steady else [_segment(span)]

    def _ids(self, span: Span) -> Tensor:
        parts = [span.tokens.to(self.device)] if len(span.tokens) or span.drafts is None else []
        return _join(parts if span.drafts is None else [*parts, span.drafts])

    def _run_exact(self, spans: Sequence[Span], starts: Sequence[int]) -> Tensor:
        """The same in forwards of one shape. All rows go through the output layer: its shape counts too."""
        assert isinstance(self.store, SlabStore)
        none = torch.zeros(exact.ROWS, dtype=torch.long, device=self.device)
        texts = [self._ids(span) for span in spans]
        share = self.packs and self.attention in ("fused", "paged")
        out = []
        for tile in exact.tiles([(a, a + s.rows) for a, s in zip(starts, spans, strict=True)], share=share):
            pack = Pack([p.segment(spans[p.span].table) for p in tile], self.store, exact.ROWS)
            parts = [texts[p.span][p.start - starts[p.span] : p.stop - starts[p.span]] for p in tile]
            ids = torch.cat([*parts, none[: pack.padding]])
            wanted = [i for p in tile for i in _wanted(p, spans[p.span], starts[p.span])]
            logits = self._logits(ids, pack, None)
            out.append(logits[torch.tensor(wanted, dtype=torch.bool, device=self.device).nonzero().squeeze(1)])
        return torch.cat(out)

    def _logits(self, ids: Tensor, pack: Pack | PaddedPack, kept: Tensor | None) -> Tensor:
        # no_grad, not inference_mode: DirectML cannot use inference tensors.
        with torch.no_grad(), limited(self.threads if len(ids) <= ROWS else None):
            if self._fused is not None:
                return self._fused(ids, pack, kept)
            return self._run_model(ids, pack, kept)

    def _run_model(self, ids: Tensor, pack: Pack | PaddedPack, kept: Tensor | None) -> Tensor:
        inputs: dict[str, Any] = {"input_ids": ids[None]}
        if self._takes_positions:
            inputs["position_ids"] = self._positions(pack)[None]
        if self.attention != "paged":
            additive = self.dtype if self.attention == "eager" else None
            kinds = getattr(self.config, "layer_types", None)
            window = getattr(self.config, "sliding_window", None)
            inputs["attention_mask"] = pack.masks_for(kinds, window, additive, self.device)
        if self._takes_keep and kept is not None:
            inputs["logits_to_keep"] = kept
        self._cache.pack = pack
        token = attention.running.set(pack)
        hook = self._keep_before_the_head(kept) if self.padded and kept is not None else None
        try:
            logits: Tensor = self.model(**inputs, past_key_values=self._cache, use_cache=True).logits[0]
        finally:
            attention.running.reset(token)
            if hook is not None:
                hook.remove()
        return logits if self._takes_keep or self.padded or kept is None else logits.index_select(0, kept)

    def _kept(self, spans: Sequence[Span]) -> Tensor | None:
        """Which rows of the pack `[rows]` have logits that are wanted; None for all."""
        if all(span.rows == span.keep for span in spans):
            return None
        return torch.tensor(_kept_rows([span.rows for span in spans], spans), dtype=torch.long, device=self.device)

    def _keep_before_the_head(self, kept: Tensor) -> RemovableHandle:
        """Models pick the rows they are told to keep by an index, which DirectML does on the CPU; so select them."""

        def select(head: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return inputs[0].index_select(1, kept), *inputs[1:]

        handle: RemovableHandle = self.model.get_output_embeddings().register_forward_pre_hook(select)
        return handle

    def _positions(self, pack: Pack | PaddedPack) -> Tensor:
        if pack.positions is not None:
            return pack.positions
        places = [torch.arange(s.past, s.length, device=self.device) for s in pack.segments]
        places.append(torch.zeros(pack.padding, dtype=torch.long, device=self.device))
        return _join(places)


def _segment(span: Span) -> Segment:
    length = span.table.length
    rows = span.rows
    return Segment(rows, length, slots(span.table, length - rows, length), slots(span.table, 0, length))


def _wanted(piece: exact.Piece, span: Span, start: int) -> list[bool]:
    """Of each of the piece's rows, whether its logits are."""
    first = start + span.rows - span.keep
    return [place >= first for place in range(piece.start, piece.stop)]


def _join(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _kept_rows(rows: Sequence[int], spans: Sequence[Span]) -> list[int]:
    """Which rows of a forward have logits that are wanted, given how many each span takes."""
    kept: list[int] = []
    at = 0
    for taken, span in zip(rows, spans, strict=True):
        kept += range(at + span.rows - span.keep, at + span.rows)
        at += taken
    return kept


def _places(spans: Sequence[Span], parts: Sequence[Part], rows: int) -> tuple[Tensor, Tensor]:
    """The tokens `[rows]` that the CPU knows, and where each row's is in those and all drafts behind them `[rows]`."""
    known = [0] * rows
    order = list(range(rows))
    row, drafted = 0, rows
    for span, part in zip(spans, parts, strict=True):
        count = len(span.tokens)
        known[row : row + count] = span.tokens.tolist()
        order[row + count : row + span.rows] = range(drafted, drafted + span.rows - count)
        drafted += span.rows - count
        row += part.padded
    return torch.tensor(known), torch.tensor(order)
