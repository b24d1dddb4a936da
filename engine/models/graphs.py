"""Forwards of a few rows as CUDA graphs: a small model spends most of a step on starting its kernels one by one.

Each is captured when its shape first comes, over buffers that stay; then a step is two copies and one replay, and the
host waits for nothing. Nothing is believed: before they are used their logits are held against the eager ones.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from ..kv.blocks import BLOCK_SIZE, BlockTable
from ..kv.fixed import FixedPack, Kernel, plan
from ..kv.pool import SlabStore
from .fused import FusedDecoder
from .paged import PagedModel, Span

ROWS = (1, 2, 3, 5, 9, 17)
"""Row counts that are captured; a forward of another is padded to the next."""
SHORTEST = 128
"""Places of the shortest; each next one has twice as many."""
PROBE = 1000
"""Places of the text over which attention kernels are compared."""
WARM_UPS = 3
"""Runs before a capture: kernels are chosen and workspaces allocated in them."""
TOLERANCE = {torch.float32: 1e-3}
HALF_TOLERANCE = 0.05
"""Relative error of half-precision logits against the eager ones: other kernels, other order of sums."""


class Graph:
    """A function of fixed shapes over buffers of its own: captured and replayed on CUDA, run again elsewhere."""

    def __init__(self, function: Callable[..., Tensor], buffers: Sequence[Tensor], pool: Any = None) -> None:
        """`buffers` hold inputs that the function can be run on at once. `pool` is memory shared with other graphs,
        whose outputs are then gone when this one is replayed."""
        self._function, self._buffers = function, buffers
        self._replay: Callable[[], object] | None = None
        self._output: Tensor | None = None
        if buffers[0].device.type == "cuda":
            with torch.cuda.device(buffers[0].device):
                self._capture(pool)

    def __call__(self, *values: Tensor) -> Tensor:
        """The output for these inputs; it is overwritten by the next call."""
        for buffer, value in zip(self._buffers, values, strict=True):
            buffer.copy_(value, non_blocking=True)
        if self._replay is None:
            self._output = self._function(*self._buffers)
        else:
            self._replay()
        assert self._output is not None
        return self._output

    def _capture(self, pool: Any) -> None:
        # On a stream of its own, as torch.cuda.graph demands of the warm-up.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self._function(*self._buffers)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            self._output = self._function(*self._buffers)
        self._replay = graph.replay


class Graphs:
    """All graphs of one decoder over one pool."""

    def __init__(
        self, decoder: FusedDecoder, store: SlabStore, device: torch.device, places: int, kernel: Kernel | None = None
    ) -> None:
        """`places` is the most that a sequence can have; `kernel` reads the KV in place of gathering it."""
        self.kernel = kernel
        self._decoder, self._store, self._device = decoder, store, device
        self._lengths = [SHORTEST]
        while self._lengths[-1] < places:
            self._lengths.append(self._lengths[-1] * 2)
        self._graphs: dict[tuple[int, int], Graph] = {}
        self._pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None

    @property
    def context(self) -> int:
        """Places that a text may have."""
        return self._decoder.context

    def takes(self, span: Span) -> bool:
        return 0 < len(span.tokens) <= ROWS[-1] and span.table.length <= self._lengths[-1]

    def __call__(self, span: Span) -> Tensor:
        """Logits `[keep, vocab]` of a span whose table has room for its rows already. Waits for nothing."""
        table, count = span.table, len(span.tokens)
        rows = ROWS[bisect_left(ROWS, count)]
        length = self._lengths[bisect_left(self._lengths, table.length)]
        ids = span.tokens
        if rows > count:
            ids = torch.cat((ids, ids[-1:].expand(rows - count)))
        numbers = plan(table.length - count, count, table.blocks, rows, length)
        # Pinned memory is kept by torch until the copy from it has been made.
        moved = torch.tensor(numbers, dtype=torch.long, pin_memory=self._device.type == "cuda")
        if (rows, length) not in self._graphs:
            self._graphs[rows, length] = self._make(rows, length, ids, moved)
        logits = self._graphs[rows, length](ids, moved)
        return logits[count - span.keep : count].clone()

    def _make(self, rows: int, length: int, ids: Tensor, numbers: Tensor) -> Graph:
        def forward(ids: Tensor, numbers: Tensor) -> Tensor:
            with torch.no_grad():
                return self._decoder(ids, FixedPack(self._store, numbers, rows, length, self.kernel), None)

        # The warm-up writes KV: the real one, so that nothing else is touched.
        return Graph(forward, (ids.to(self._device).clone(), numbers.to(self._device).clone()), self._pool)


def enable(model: PagedModel) -> str | None:
    """Let `model` use graphs for its small forwards; returns why not, None if it does.

    A probe is run both ways first: a graph that fails, or differs, is not used. Where there is a kernel for paged
    attention, and graphs with it are right and faster, it is used in them.
    """
    if model.decoder is None:
        return f"{model.attention} attention, not Helix's own decoder"
    if not isinstance(model.store, SlabStore):
        return "the KV is in blocks"
    if not isinstance(model.store, SlabStore):
        return "this device keeps a tensor a block"
    if model.exact:
        return "exact forwards have a shape of their own"
    graphs = _tried(model, model.decoder, model.store, None)
    if isinstance(graphs, str):
        return graphs
    kernel = paged_kernel(model.device, model.dtype)
    other = _tried(model, model.decoder, model.store, kernel) if kernel else None
    if isinstance(other, Graphs) and seconds(model, other) < seconds(model, graphs):
        graphs = other
    model.graphs = graphs
    return None


def paged_kernel(device: torch.device, dtype: torch.dtype) -> Kernel | None:
    """The attention kernel for a device, where there is one: not for float32, which takes long to compile."""
    if device.type != "cuda" or dtype == torch.float32 or find_spec("triton") is None:
        return None
    try:
        from ..kv.triton_decode import paged_decode
    except Exception:  # A triton without a driver says so in many ways.
        return None
    return paged_decode


def _tried(model: PagedModel, decoder: FusedDecoder, store: SlabStore, kernel: Kernel | None) -> Graphs | str:
    """Graphs whose logits were found right, or why they are not used."""
    table = model.table()
    try:
        graphs = Graphs(decoder, store, model.device, model.allocator.total * BLOCK_SIZE, kernel)
        wrong = _differs(model, table, graphs)
    except Exception as error:
        return (str(error).splitlines() or [type(error).__name__])[0][:160]
    finally:
        table.release()
    return graphs if wrong is None else f"logits differ by {wrong:.1e}"


def seconds(model: PagedModel, graphs: Graphs) -> float:
    """Of a step of one row and one of five, over a text of some length: the best of a few rounds."""
    table = model.table()
    room = model.allocator.available * BLOCK_SIZE
    length = min(PROBE, room - 5, graphs.context - 5)
    best = float("inf")
    try:
        model.forward([Span(table, torch.zeros(length, dtype=torch.long, device=model.device), 1)])
        for attempt in range(4):
            start = time.perf_counter()
            for count in (1, 5):
                table.append(count)
                ids = torch.zeros(count, dtype=torch.long, device=model.device)
                for _ in range(5):
                    logits = graphs(Span(table, ids, count))
                table.rollback(length)
                logits[-1, -1].item()  # Waits for all of it.
            if attempt:  # In the first they are captured.
                best = min(best, time.perf_counter() - start)
    finally:
        table.release()
    return best


def capture(target: PagedModel, draft: PagedModel | None) -> str:
    """`enable` for a pair, in words: "replayed", or why not."""
    reasons = {role: enable(model) for role, model in (("target", target), ("draft", draft)) if model is not None}
    return "; ".join(f"{role} eager: {reason}" for role, reason in reasons.items() if reason) or "replayed"


def _differs(model: PagedModel, table: BlockTable, graphs: Graphs) -> float | None:
    """The relative error of graphs against eager forwards where it is too large: some rows at once, then one."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, model.vocab, (BLOCK_SIZE + 8,), generator=generator).to(model.device)
    past = len(ids) - 4
    model.forward([Span(table, ids[:past], 1)])
    for count in (4, 1, 4):  # The second time of a shape is a replay after others.
        span = Span(table, ids[past : past + count], count)
        wanted = model.forward([span]).clone()
        table.rollback(past)
        table.append(count)
        got = graphs(span)
        table.rollback(past)
        error = float((got.float() - wanted.float()).norm() / wanted.float().norm().clamp(min=1e-6))
        if not error < TOLERANCE.get(model.dtype, HALF_TOLERANCE):
            return error
    return None
