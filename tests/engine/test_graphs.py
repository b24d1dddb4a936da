"""Forwards of fixed shapes: equal to eager ones through rollbacks and moving tables; nothing in them asks the host."""

from __future__ import annotations

import gc
import random
import weakref
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine import Engine, Request, Sampling, Speculation, speculative
from engine.kv.fixed import FixedPack, plan
from engine.models import graphs
from engine.models.paged import PagedModel, Span

KINDS = ("llama", "qwen3", "mistral+window")


def replayed(kind: str, blocks: int = 24) -> PagedModel:
    """With graphs, which a CPU runs again instead of replaying; the pool is NaN wherever nothing was written."""
    model = tiny.paged(kind, "fused", blocks)
    assert graphs.enable(model) is None
    for slab in (*model.store.keys, *model.store.values):
        slab.fill_(float("nan"))
    return model


def test_a_plan_repeats_the_last_place_and_the_last_block_in_use() -> None:
    assert plan(14, 3, [7, 2, 9], 5, 64) == [14, 15, 16, 16, 16, 7, 2, 2, 2]
    assert plan(0, 1, [5], 1, 32) == [0, 5, 5]


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_eager_forwards_through_rollbacks(kind: str) -> None:
    """A random script over three sequences; blocks are given back and taken by others all the time."""
    eager, fixed = tiny.paged(kind, "fused", 24), replayed(kind)
    rng = random.Random(0)
    pairs = [(eager.table(), fixed.table()) for _ in range(3)]
    small = 0
    for step in range(60):
        a, b = pairs[rng.randrange(3)]
        if a.length and rng.random() < 0.4:
            length = rng.randrange(a.length)
            a.rollback(length)
            b.rollback(length)
        count = rng.choice([1, 1, 2, 3, 4, 5, 7, 17, 20])
        if a.length + count > 110:
            a.release()
            b.release()
        ids = torch.tensor(tiny.prompt(count, step))
        keep = rng.randint(1, count)
        wanted = eager.forward([Span(a, ids, keep)])
        got = fixed.forward([Span(b, ids, keep)])
        assert torch.allclose(got, wanted, atol=1e-4), f"step {step}, {count} rows after {a.length - count}"
        small += count <= graphs.ROWS[-1]
    assert small > 40
    assert fixed.graphs is not None


def test_longer_texts_take_longer_shapes() -> None:
    eager, fixed = tiny.paged("llama", "fused", 24), replayed("llama")
    ids = torch.tensor(tiny.prompt(150, 1))
    a, b = eager.table(), fixed.table()
    for model, table in ((eager, a), (fixed, b)):
        model.forward([Span(table, ids[:120], 1)])
    for at in range(120, 150, 5):
        spans = [Span(table, ids[at : at + 5], 5) for table in (a, b)]
        assert torch.allclose(fixed.forward(spans[1:]), eager.forward(spans[:1]), atol=1e-4)
    assert isinstance(fixed.graphs, graphs.Graphs)
    assert {length for _, length in fixed.graphs._graphs} == {128, 256}


class Watch(TorchDispatchMode):
    """Writes down every operator with the shapes it gives, and what it made."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, list[tuple[int, ...]]]] = []
        self.made: list[weakref.ref[Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [t for t in (out if isinstance(out, (tuple, list)) else [out]) if isinstance(t, Tensor)]
        self.calls.append((str(func), [tuple(t.shape) for t in tensors]))
        self.made += [weakref.ref(t) for t in tensors]
        return out


FORBIDDEN = ("_local_scalar_dense", "item", "nonzero", "masked_select", "unique", "equal", "is_nonzero", "tolist")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_captured_asks_the_host_nothing_and_leaves_only_its_output(kind: str) -> None:
    model = replayed(kind)
    assert model.decoder is not None
    decoder = model.decoder
    first, second = model.table(), model.table()
    first.append(40)
    second.append(97)
    for slab in (*model.store.keys, *model.store.values):
        slab.zero_()
    pool = {slab.untyped_storage().data_ptr() for slab in (*model.store.keys, *model.store.values)}
    seen = []
    for table, past in ((first, 37), (second, 96)):
        numbers = torch.tensor(plan(past, table.length - past, table.blocks, 5, 128))
        ids = torch.zeros(5, dtype=torch.long)
        with Watch() as watch, torch.no_grad():
            out = decoder(ids, FixedPack(model.store, numbers, 5, 128), None)
        gc.collect()
        alive = {t.untyped_storage().data_ptr() for t in (ref() for ref in watch.made) if t is not None}
        assert alive - pool == {out.untyped_storage().data_ptr()}
        names = [name for name, _ in watch.calls]
        assert not [n for n in names if any(f".{word}." in n for word in FORBIDDEN)]
        seen.append(watch.calls)
    assert seen[0] == seen[1], "operators or shapes depend on the text"
    assert any("mm" in name for name, _ in seen[0]), "nothing was watched"


def test_a_watch_would_notice_a_question_to_the_host() -> None:
    with Watch() as watch:
        torch.ones(3).sum().item()
    assert any("._local_scalar_dense." in name for name, _ in watch.calls)


def test_graphs_that_differ_or_fail_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.paged("llama", "fused", 8)
    right = FixedPack.attend
    monkeypatch.setattr(FixedPack, "attend", lambda *args: right(*args) * 1.1)
    assert "logits differ" in (graphs.enable(model) or "")
    assert model.graphs is None
    monkeypatch.setattr(FixedPack, "attend", lambda *args: torch.ones(1, 2) @ torch.ones(3))
    assert "size" in (graphs.enable(model) or "")
    assert model.graphs is None
    assert model.allocator.available == model.allocator.total
    assert graphs.capture(model, None).startswith("target eager: ")


def test_models_without_our_decoder_say_so() -> None:
    assert "paged attention" in (graphs.enable(tiny.paged("gpt2", "paged", 8)) or "")


def test_a_shape_that_cannot_be_captured_later_is_run_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    model, eager = replayed("llama"), tiny.paged("llama", "fused", 24)
    ids = torch.tensor(tiny.prompt(9, 1))

    def broken(*args: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(graphs.Graphs, "_make", broken)
    assert torch.allclose(
        model.forward([Span(model.table(), ids, 9)]), eager.forward([Span(eager.table(), ids, 9)]), atol=1e-4
    )
    assert model.graphs is None


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_replies_are_the_same_text(models: tiny.Models, temperature: float) -> None:
    request = {"prompt_ids": tiny.prompt(20, 4), "max_tokens": 50, "seed": 3}
    replies = []
    for wanted in (False, True):
        with Engine.load(models.target("llama"), models.near("llama"), device="cpu", dtype="float32") as engine:
            if wanted:
                assert graphs.capture(engine._pair.target, engine._pair.draft) == "replayed"
            for depth in (0, 4):
                asked = Request(**request, sampling=Sampling(temperature=temperature), speculation=Speculation(depth))
                replies.append(engine.generate(asked).token_ids)
    assert replies[:2] == replies[2:]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_graphs_are_replayed_and_the_text_is_the_eager_one(models: tiny.Models) -> None:
    request = Request(prompt_ids=tiny.prompt(20, 4), max_tokens=50, speculation=Speculation(4))
    with Engine.load(models.target("llama"), models.near("llama"), device="cuda:0", dtype="float32") as engine:
        assert engine.loaded.graphs == "replayed"
        got = engine.generate(request).token_ids
        target, draft = engine._pair.target, engine._pair.draft
        assert isinstance(target.graphs, graphs.Graphs)
        assert target.graphs._graphs
        assert draft is not None
        target.graphs = draft.graphs = None
        assert engine.generate(request).token_ids == got


def test_a_cycle_asks_for_times_only_when_its_tokens_are_here(
    models: tiny.Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CUDA asking for a time waits; before the tokens are fetched that would be a second wait."""
    log: list[str] = []
    fetch = speculative.to_host

    class Clock:
        def mark(self) -> int:
            log.append("mark")
            return len(log)

        def seconds(self, start: int, end: int) -> float:
            assert start < end
            log.append("seconds")
            return 1e-3

    def to_host(scores: Any) -> Any:
        told = fetch(scores)
        log.append("tokens")
        return told

    monkeypatch.setattr(speculative, "to_host", to_host)
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", dtype="float32") as engine:
        engine._speculator._clock = Clock()
        engine.generate(Request(prompt_ids=tiny.prompt(9, 1), max_tokens=6, speculation=Speculation(2)))
    cycle = ["mark", "mark", "mark", "tokens", "seconds", "seconds"]
    assert log == cycle * (len(log) // 6)
    assert len(log) > 6


def test_a_short_context_is_timed_within_it() -> None:
    model = tiny.paged("llama", "fused", 80)
    made = graphs.Graphs(model.decoder, model.store, model.device, 160)  # type: ignore[arg-type]
    assert model.allocator.total * 16 > made.context == 160
    assert 0 < graphs.seconds(model, made) < float("inf")
