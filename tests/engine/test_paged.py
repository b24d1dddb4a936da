"""Forwards over a pool filled with NaN give the logits of a dense forward, whatever happened to the blocks before."""

from __future__ import annotations

import random

import pytest
import tiny
import torch

from engine import OutOfMemory, UnsupportedModel
from engine.config import Layout
from engine.kv import cache
from engine.kv.block_store import BlockStore
from engine.kv.blocks import BLOCK_SIZE, BlockTable
from engine.models.paged import PagedModel, Span
from engine.models.selfcheck import attach

BLOCKS = 20
LONGEST = 70
WAYS = [
    ("llama", "fused"),
    ("llama", "paged"),
    ("llama", "sdpa"),
    ("llama", "eager"),
    ("mistral+window", "fused"),
    ("mistral+window", "paged"),
    ("mistral+window", "sdpa"),
    ("gemma3_text", "paged"),
    ("gemma3_text", "sdpa"),
    ("gemma3_text", "eager"),
    ("llama", "fused", "blocks"),
    ("llama", "eager", "blocks"),
    ("mistral+window", "fused", "blocks"),
    ("gemma3_text", "paged", "blocks"),
]


class Script:
    """Random appends, verifications with rollback, forks, reuse and releases; every kept row is checked."""

    def __init__(self, kind: str, attention: str, kv: Layout, seed: int) -> None:
        self.random = random.Random(seed)
        self.model = tiny.paged(kind, attention, BLOCKS, kv)
        self.dense = tiny.build(kind)
        self.texts: dict[BlockTable, list[int]] = {}
        self.stem = tiny.prompt(LONGEST, seed)
        self.checked = self.copied = self.reused = self.packed = self.fragmented = 0

    def step(self) -> None:
        while len(self.texts) < 2 or (len(self.texts) < 4 and self.random.random() < 0.15):
            self.start()
        for action, chance in ((self.fork, 0.15), (self.release, 0.25)):
            if self.random.random() < chance:
                action(self.random.choice(list(self.texts)))
        self.poison()
        self.forward()
        self.poison()

    def start(self) -> None:
        table = self.model.table()
        text = self.stem[: self.random.randrange(2, LONGEST)]
        self.reused += table.reuse(text[:-1])
        self.texts[table] = text[: table.length]

    def fork(self, table: BlockTable) -> None:
        if len(self.texts) < 5:
            self.texts[table.fork()] = list(self.texts[table])

    def release(self, table: BlockTable) -> None:
        table.release()
        del self.texts[table]

    def forward(self) -> None:
        """One forward of several sequences: a prefill chunk, a plain token or a block to verify each."""
        chosen = self.random.sample(list(self.texts), self.random.randint(1, len(self.texts)))
        spans, wanted = [], []
        for table in chosen:
            text = self.texts[table]
            rows = self.random.choice((1, 1, 4, 9, 20))
            if len(text) + rows > LONGEST:
                table.rollback(5)
                del text[5:]
            follow = self.stem[len(text) : len(text) + rows]
            noise = [self.random.randrange(tiny.VOCAB) for _ in range(rows)]
            new = follow if text == self.stem[: len(text)] and self.random.random() < 0.93 else noise
            spans.append(Span(table, torch.tensor(new), self.random.randint(1, rows)))
            wanted.append(tiny.logits(self.dense, text + new)[-spans[-1].keep :])
        before = {table: (list(table.blocks), table.length) for table in chosen}
        try:
            got = self.model.forward(spans)
        except OutOfMemory:
            assert all(table.length == before[table][1] for table in chosen)
            self.release(chosen[0])
            return
        torch.testing.assert_close(got, torch.cat(wanted), rtol=0, atol=1e-4)
        self.checked += len(got)
        self.packed += len(spans) > 1
        for span in spans:
            old = before[span.table][0]
            self.copied += old != span.table.blocks[: len(old)]
            self.fragmented += any(b != a + 1 for a, b in zip(span.table.blocks, span.table.blocks[1:], strict=False))
            text = self.texts[span.table]
            text += span.tokens.tolist()
            keep = len(text) - self.random.randrange(len(span.tokens)) if self.random.random() < 0.6 else len(text)
            span.table.rollback(keep)
            del text[keep:]
            span.table.publish(text)

    def poison(self) -> None:
        """Into every slot that holds nothing: free blocks, and what lies behind the end of a lone holder's text.

        NaN into slabs; a tensor of its own for a block has rubbish there.
        """
        allocator = self.model.allocator
        held = {b for table in self.texts for b in table.blocks}
        spoilt = [(b, 0) for b in range(BLOCKS) if b not in held and b not in set(allocator.cached)]
        for table in self.texts:
            if table.length % BLOCK_SIZE and allocator.writable(table.blocks[-1]):
                spoilt.append((table.blocks[-1], table.length % BLOCK_SIZE))
        store = self.model.store
        if isinstance(store, BlockStore):
            for held in (held for layer in store._held for held in layer):
                for block, place in spoilt:
                    held[block] = torch.cat((held[block][:, :place], torch.full_like(held[block][:, place:], 1e3)), 1)
            return
        for block, place in spoilt:
            for slab in (*store.keys, *store.values):
                slab[:, block * BLOCK_SIZE + place : (block + 1) * BLOCK_SIZE] = float("nan")


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_random_scripts_match_a_dense_recompute(way: tuple[str, ...]) -> None:
    kind, attention, kv = (*way, "slab")[:3]
    script = Script(kind, attention, kv, seed=WAYS.index(way))
    for _ in range(60):
        script.step()
    assert script.checked > 300
    assert min(script.copied, script.reused, script.packed, script.fragmented) > 2
    for table in list(script.texts):
        script.release(table)
    allocator = script.model.allocator
    assert [allocator.references(b) for b in range(BLOCKS)] == [0] * BLOCKS
    allocator.forget_all()
    assert allocator.free == BLOCKS


@pytest.mark.parametrize("kind", ["llama", "mistral+window"])
@pytest.mark.parametrize("attention", ["fused", "paged", "sdpa"])
def test_a_wrong_block_table_is_caught(kind: str, attention: str) -> None:
    """The negative control: with two blocks swapped, the same comparison fails by far."""
    model, dense = tiny.paged(kind, attention, BLOCKS), tiny.build(kind)
    text = tiny.prompt(40, 3)
    table = model.table()
    model.forward([Span(table, torch.tensor(text[:36]), 1)])
    right = model.forward([Span(table, torch.tensor(text[36:]), 1)])
    wanted = tiny.logits(dense, text)[-1:]
    assert (right - wanted).abs().max() < 1e-4
    table.rollback(36)
    # The last two: a sliding window may not reach the first.
    table.blocks[1], table.blocks[2] = table.blocks[2], table.blocks[1]
    wrong = model.forward([Span(table, torch.tensor(text[36:]), 1)])
    assert not (wrong - wanted).abs().max() < 1e-2


@pytest.mark.parametrize("packs", [True, False])
def test_a_failing_forward_leaves_every_table(monkeypatch: pytest.MonkeyPatch, packs: bool) -> None:
    model = tiny.paged("llama", "paged", BLOCKS)
    model.packs = packs
    a, b = model.table(), model.table()
    text = tiny.prompt(30, 1)
    model.forward([Span(a, torch.tensor(text[:20]), 1), Span(b, torch.tensor(text[:7]), 1)])
    run, calls = PagedModel._run, []

    def fail(self: PagedModel, spans: list[Span]) -> torch.Tensor:
        calls.append(len(spans))
        if len(calls) == (1 if self.packs else 2):
            raise RuntimeError("out of memory")
        return run(self, spans)

    with monkeypatch.context() as patch:
        patch.setattr(PagedModel, "_run", fail)
        with pytest.raises(RuntimeError):
            model.forward([Span(a, torch.tensor(text[20:]), 1), Span(b, torch.tensor(text[7:]), 1)])
    assert (a.length, len(a.blocks), b.length, len(b.blocks)) == (20, 2, 7, 1)
    got = model.forward([Span(a, torch.tensor(text[20:]), 1), Span(b, torch.tensor(text[7:]), 1)])
    wanted = tiny.logits(tiny.build("llama"), text)[-1]
    torch.testing.assert_close(got, torch.stack((wanted, wanted)), rtol=0, atol=1e-4)


def test_consecutive_blocks_are_read_as_a_view() -> None:
    model = tiny.paged("llama", "paged", BLOCKS)
    keys, values = model.store.read(0, ((16, 40),))
    for part, slab in ((keys, model.store.keys[0]), (values, model.store.values[0])):
        assert part.untyped_storage().data_ptr() == slab.untyped_storage().data_ptr()
    gathered, _ = model.store.read(0, ((16, 10), (64, 3)))
    assert gathered.shape[1] == 13


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral+window"])
def test_the_llama_family_runs_fused(kind: str) -> None:
    assert attach(tiny.build(kind, attn_implementation="eager"), 160).attention == "fused"


@pytest.mark.parametrize("kind", ["gemma3_text", "gpt2", "phi3"])
def test_others_run_on_paged_attention(kind: str) -> None:
    assert attach(tiny.build(kind, attn_implementation="eager"), 160).attention == "paged"


def test_a_broken_fast_path_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its mask, paged attention looks into the future; the self-check sees it and takes the model's own."""
    monkeypatch.setattr(cache.Pack, "mask", lambda *args: None)
    assert attach(tiny.build("llama", attn_implementation="eager"), 160).attention == "sdpa"


def test_when_nothing_is_right_the_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = cache.visible
    monkeypatch.setattr(cache, "visible", lambda *args: torch.ones_like(honest(*args)))
    with pytest.raises(UnsupportedModel, match="llama cannot run over a paged KV cache"):
        attach(tiny.build("llama", attn_implementation="eager"), 160)


def test_models_without_keys_and_values_are_refused() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    for kind in ("mamba", "bloom"):
        small = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "n_layer": 2, "n_head": 4}
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **small)).eval()
        with pytest.raises(UnsupportedModel, match=f"{kind} .*choose another model"):
            attach(model, 160)
