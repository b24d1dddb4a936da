"""The Triton kernel in its interpreter against plain attention, and when graphs use such a kernel at all."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor

from engine.kv.blocks import BLOCK_SIZE
from engine.models import graphs
from engine.models.paged import Span

ROOT = Path(__file__).resolve().parents[2]
needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="triton is not installed (pip install triton; Linux, 286 MB)"
)


@needs_triton
@pytest.mark.slow
def test_the_kernel_is_attention() -> None:
    """Random tables, ragged lengths, windows, three dtypes, NaN in every block and place that is not the text's."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "stubs" / "triton_check.py"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert len(done.stdout.splitlines()) == 22, "not every case was run"


def reading(
    query: Tensor, keys: Tensor, values: Tensor, table: Tensor, places: Tensor, scale: float, window: int | None
) -> Tensor:
    """What a kernel does, place by place."""
    group = query.shape[0] // keys.shape[0]
    out = torch.zeros(*query.shape[:2], values.shape[2])
    for row, place in enumerate(places.tolist()):
        first = 0 if window is None else max(0, place - window + 1)
        slots = [int(table[at // BLOCK_SIZE]) * BLOCK_SIZE + at % BLOCK_SIZE for at in range(first, place + 1)]
        for head in range(query.shape[0]):
            share = (keys[head // group, slots] @ query[head, row] * scale).softmax(0)
            out[head, row] = share @ values[head // group, slots]
    return out


@pytest.mark.parametrize("kind", ["llama", "mistral+window"])
def test_graphs_with_a_kernel_give_the_eager_logits(kind: str) -> None:
    eager, fixed = (tiny.paged(kind, "fused", 12) for _ in range(2))
    assert fixed.decoder is not None
    fixed.graphs = graphs.Graphs(fixed.decoder, fixed.store, fixed.device, 192, reading)
    a, b = eager.table(), fixed.table()
    for count in (14, 1, 5, 3):
        ids = torch.tensor(tiny.prompt(count, count))
        wanted = eager.forward([Span(a, ids, count)])
        assert torch.allclose(fixed.forward([Span(b, ids, count)]), wanted, atol=1e-4)
    assert fixed.graphs is not None


@pytest.mark.parametrize(("faster", "right"), [(True, True), (False, True), (True, False)])
def test_a_kernel_is_used_only_where_it_is_right_and_faster(
    monkeypatch: pytest.MonkeyPatch, faster: bool, right: bool
) -> None:
    def kernel(*args: object) -> Tensor:
        return reading(*args) if right else reading(*args) * 2  # type: ignore[arg-type]

    monkeypatch.setattr(graphs, "paged_kernel", lambda device, dtype: kernel)
    monkeypatch.setattr(graphs, "seconds", lambda model, made: 1.0 if (made.kernel is kernel) == faster else 2.0)
    model = tiny.paged("llama", "fused", 8)
    assert graphs.enable(model) is None
    assert isinstance(model.graphs, graphs.Graphs)
    assert (model.graphs.kernel is kernel) == (faster and right)


def test_the_comparison_leaves_the_pool_as_it_was() -> None:
    model = tiny.paged("llama", "fused", 8)
    assert graphs.enable(model) is None
    assert isinstance(model.graphs, graphs.Graphs)
    assert 0 < graphs.seconds(model, model.graphs) < float("inf")
    assert model.allocator.available == model.allocator.total


def test_without_cuda_there_is_no_kernel() -> None:
    assert graphs.paged_kernel(torch.device("cpu"), torch.bfloat16) is None


@pytest.mark.skipif(not torch.cuda.is_available() or find_spec("triton") is None, reason="no CUDA device or no triton")
def test_on_cuda_the_kernel_is_attention() -> None:
    from engine.kv.fixed import plan
    from engine.kv.triton_decode import paged_decode

    generator = torch.Generator().manual_seed(0)
    keys, values = (torch.randn(2, 640, 64, generator=generator) for _ in range(2))
    query = torch.randn(4, 5, 64, generator=generator)
    blocks = torch.randperm(40, generator=generator)[:19].tolist()
    numbers = torch.tensor(plan(290, 5, blocks, 5, 512))
    wanted = reading(query, keys, values, numbers[5:], numbers[:5], 0.125, None)
    for slab in (keys, values):
        free = [b for b in range(40) if b not in blocks]
        slab.view(2, 40, 16, 64)[:, free] = float("nan")
    on = [t.cuda() for t in (query, keys, values, numbers[5:], numbers[:5])]
    got = paged_decode(*on, 0.125, None).cpu()  # type: ignore[arg-type]
    assert torch.allclose(got, wanted, atol=1e-4)
