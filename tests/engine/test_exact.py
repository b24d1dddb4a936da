"""With `exact`, a row's logits are the same bits whoever computes it: alone, verified, in company, after a cut."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor

from engine import Engine, Request, Speculation
from engine.kv.blocks import BLOCK_SIZE
from engine.kv.cache import layer_shapes
from engine.models.exact import ROWS, Piece, tiles
from engine.models.paged import PagedModel, Span
from engine.models.quantize import int8_support
from engine.models.selfcheck import _ways

BLOCKS = 24
LENGTH = 150
SIZES = {
    "hidden_size": 128, "intermediate_size": 320, "num_attention_heads": 8, "num_key_value_heads": 4,
    "max_position_embeddings": 256, "vocab_size": 512, "initializer_range": 0.1,
}  # fmt: skip
FLOATS = [torch.float32, torch.bfloat16]
WAYS = [
    *((kind, way, dtype) for dtype in FLOATS for kind, way in [
        ("llama", "fused"), ("llama", "paged"), ("llama", "sdpa"), ("llama", "eager"),
        ("mistral+window", "fused"), ("gemma3_text", "paged"),
    ]),
    ("llama", "fused", torch.int8),
]  # fmt: skip


def model(kind: str, way: str, dtype: torch.dtype, *, exact: bool = True, **changed: int) -> PagedModel:
    """A random model over a pool of NaN."""
    built = tiny.build(kind, attn_implementation="eager", **{**SIZES, **changed})
    support = int8_support() if dtype == torch.int8 else None
    if dtype == torch.int8 and support is None:
        pytest.skip("this torch has no int8 linears")
    built = built if dtype == torch.int8 else built.to(dtype)
    attached = next(w for w in _ways(built, 256, layer_shapes(built)) if w.attention == way and w.packs)
    if support is not None:
        assert attached.fused is not None
        object.__setattr__(attached, "fused", attached.fused.quantized(support.kernel))
    paged = attached.paged(BLOCKS, exact=exact)
    for slab in (*paged.store.keys, *paged.store.values):
        slab.fill_(float("nan"))
    return paged


def ids(tokens: list[int]) -> Tensor:
    return torch.tensor(tokens)


def one_by_one(paged: PagedModel, text: list[int]) -> list[Tensor]:
    """Plain decoding: the logits of every position."""
    table = paged.table()
    rows = [paged.forward([Span(table, ids([token]), 1)])[0] for token in text]
    table.release()
    return rows


def differing(paged: PagedModel, text: list[int], wanted: list[Tensor], seed: int) -> list[int]:
    """Positions whose bits differ when the text comes in random pieces, with wrong drafts taken back, in company."""
    chance = random.Random(seed)
    table, other = paged.table(), paged.table()
    company = tiny.prompt(60, seed + 100, 512)
    wrong: list[int] = []
    while table.length < len(text):
        start = table.length
        right = min(chance.choice([1, 1, 2, 3, 5, 7, 9, 20]), len(text) - start)
        drafts = tiny.prompt(chance.randrange(4), seed + start, 512)
        spans = [Span(table, ids(text[start : start + right] + drafts), right + len(drafts))]
        beside = company[other.length : other.length + chance.randrange(3)]
        if beside:
            spans.insert(chance.randrange(2), Span(other, ids(beside), 1))
        logits = paged.forward(spans)
        own = logits[1:] if beside and spans[1].table is table else logits
        wrong += [start + i for i in range(right) if not torch.equal(own[i], wanted[start + i])]
        table.rollback(start + right)
        if other.length > 50:
            other.rollback(chance.randrange(50))
    assert all(row.isfinite().all() for row in wanted)
    table.release()
    other.release()
    return wrong


@pytest.mark.parametrize(("kind", "way", "dtype"), WAYS, ids=lambda v: str(v).removeprefix("torch."))
def test_every_position_has_the_bits_of_plain_decoding(kind: str, way: str, dtype: torch.dtype) -> None:
    paged = model(kind, way, dtype)
    text = tiny.prompt(LENGTH, 7, 512)
    wanted = one_by_one(paged, text)
    assert [differing(paged, text, wanted, seed) for seed in range(3)] == [[], [], []]
    assert paged.allocator.available == BLOCKS


@pytest.mark.parametrize("heads", [(8, 4), (4, 4), (8, 1)], ids=str)
@pytest.mark.parametrize("kind", ["llama", "mistral+window"])
def test_int8_decodes_to_the_bit_without_being_asked(kind: str, heads: tuple[int, int]) -> None:
    """Decoding and verifying: at every depth, in any company."""
    paged = model(kind, "fused", torch.int8, exact=False, num_attention_heads=heads[0], num_key_value_heads=heads[1])
    text = tiny.prompt(LENGTH, 7, 512)
    wanted = one_by_one(paged, text)
    assert [differing(paged, text, wanted, seed) for seed in range(3)] == [[], [], []]
    assert paged.allocator.available == BLOCKS


@pytest.mark.parametrize("length", [3, 15, 16, 17, 32, 33, 45, 48, 49, 130])
def test_a_prompt_in_int8_gives_the_same_bits_with_drafts_and_from_the_cache(length: int) -> None:
    paged = model("llama", "fused", torch.int8, exact=False)
    text, drafts = tiny.prompt(length, 7, 512), ids(tiny.prompt(6, 8, 512))
    table = paged.table()
    wanted = paged.forward([Span(table, ids(text), 1)])[0]
    for cached in (0, (length - 1) // BLOCK_SIZE * BLOCK_SIZE):
        for count in (0, 1, 4, 6):
            table.rollback(cached)
            logits = paged.forward([Span(table, ids(text[cached:]), 1 + count, drafts[:count])])
            assert torch.equal(logits[0], wanted), f"{cached} cached, {count} drafts"
    table.release()


def test_a_prompt_in_int8_may_differ_from_decoding() -> None:
    """The negative control: it is the shapes of attention that do it."""
    paged = model("llama", "fused", torch.int8, exact=False)
    text, table = tiny.prompt(LENGTH, 7, 512), paged.table()
    assert not torch.equal(paged.forward([Span(table, ids(text), 1)])[0], one_by_one(paged, text)[-1])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_without_it_bits_do_differ(dtype: torch.dtype) -> None:
    """The negative control: what is promised is not true by itself."""
    paged = model("llama", "fused", dtype, exact=False)
    text = tiny.prompt(LENGTH, 7, 512)
    assert differing(paged, text, one_by_one(paged, text), 0)


def test_blocks_in_any_order_give_the_same_bits() -> None:
    paged = model("llama", "fused", torch.float32)
    text = tiny.prompt(100, 7, 512)
    wanted = one_by_one(paged, text)
    table, others = paged.table(), [paged.table() for _ in range(4)]
    got = []
    for start in range(0, 100, 5):
        # Texts that grow in turns in a crowded pool take blocks here and there: they are gathered, not read as a view.
        got += list(paged.forward([Span(table, ids(text[start : start + 5]), 5)]))
        for other in others:
            if other.length < 60:
                paged.forward([Span(other, ids(text[:5]), 1)])
    assert table.blocks != list(range(table.blocks[0], table.blocks[0] + len(table.blocks)))
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))


def test_tiles_hold_every_row_once_in_order_within_blocks() -> None:
    chance = random.Random(0)
    for share in (True, False):
        for _ in range(200):
            spans = [(s := chance.randrange(40), s + chance.randrange(1, 40)) for _ in range(chance.randrange(1, 5))]
            made = tiles(spans, share=share)
            rows = [(p.span, at) for tile in made for p in tile for at in range(p.start, p.stop)]
            assert rows == [(n, at) for n, (a, b) in enumerate(spans) for at in range(a, b)]
            assert all(0 < sum(p.stop - p.start for p in tile) <= ROWS for tile in made)
            assert all(p.start // BLOCK_SIZE == (p.stop - 1) // BLOCK_SIZE for tile in made for p in tile)
            assert share or all(len(tile) == 1 for tile in made)
    assert tiles([(14, 20)], share=True) == [[Piece(0, 14, 16), Piece(0, 16, 20)]]


HOW = (
    "What is {}?",
    "Write a line about {}.",
    "Tell me a story of {}.",
    "Why do people like {}?",
    "Name five kinds of {}.",
    "Explain {} to a child.",
    "hi, do you know {}?",
    "Write a poem: {}.",
)
WHAT = (
    "the sea", "dragons", "the moon", "bread", "robots", "rain", "music", "trees", "clocks", "maps", "tea", "bees",
    "glass", "salt", "trains", "owls", "games", "paint", "snow", "bridges", "books", "soup", "stars", "shoes", "cats",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "exact"), [("float32", True), ("bfloat16", True), ("int8", True), ("int8", False)], ids=str
)
def test_replies_to_two_hundred_questions_are_the_same_at_every_depth(dtype: str, exact: bool) -> None:
    """End to end on the bundled pair, prefix reuse and all."""
    if dtype == "int8" and int8_support() is None:
        pytest.skip("this torch has no int8 linears")
    asked = [how.format(what) for what in WHAT for how in HOW]
    assert len(set(asked)) == 200
    asked = asked if dtype == "float32" else asked[::5]
    with Engine.load(device="cpu", dtype=dtype, exact=exact) as engine:
        for i, text in enumerate(asked):
            plain, speculative = (
                engine.generate(
                    Request(
                        messages=[{"role": "user", "content": text}],
                        speculation=Speculation(depth=depth),
                        max_tokens=12,
                    )
                )
                for depth in (0, 1 + i % 7)
            )
            assert speculative.token_ids == plain.token_ids, text


def test_the_engine_gives_the_same_tokens_in_company(tmp_path: Path) -> None:
    built = tiny.build("llama", **SIZES)
    target = tiny.save(built, tmp_path / "target")
    draft = tiny.save(tiny.nudge(built, 0.04), tmp_path / "draft")
    with Engine.load(target=target, draft=draft, device="cpu", exact=True) as engine:
        requests = [
            Request(prompt_ids=tiny.prompt(10 + 7 * i, i, 512), speculation=Speculation(depth=i), max_tokens=20)
            for i in range(6)
        ]
        together = [done.token_ids for done in engine.generate_batch(requests)]
        alone = [engine.generate(request).token_ids for request in requests]
    assert together == alone
