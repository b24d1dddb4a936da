"""The draft's own KV: what was rejected must never be promised to others as the text that took its place."""

from __future__ import annotations

import tiny

from engine import Engine, Request, Speculation
from engine.intake import sequence_of
from engine.kv.blocks import BLOCK_SIZE


def test_a_block_that_ends_in_a_rejected_draft_is_not_published(models: tiny.Models) -> None:
    target, draft = str(models.target("llama")), str(models.near("llama"))
    with Engine.load(target, draft, device="cpu", dtype="float32", drafter="model") as engine:
        drafter = engine._speculator.drafter
        assert drafter is not None
        sequence = sequence_of(Request(prompt_ids=tiny.prompt(BLOCK_SIZE - 2, 9)), engine._pair, engine._limits)
        sequence.id = 1
        # Two tokens drafted after 14: the first is read too, so the draft's table has 15; a third makes it 16.
        (proposal,) = drafter.propose([sequence], [3], [None])
        kept, rejected = proposal.tokens.tolist()[:1], proposal.tokens.tolist()[1]
        sequence.tokens += [*kept, (rejected + 1) % tiny.VOCAB]
        assert len(sequence.tokens) == BLOCK_SIZE
        drafter.observe(sequence)
        found, _ = drafter.model.allocator.match(sequence.tokens)  # type: ignore[attr-defined]
        assert found == [], "the last slot has the KV of the rejected token"


def test_a_narrow_cycle_after_another_depth_reads_what_was_missed(models: tiny.Models) -> None:
    """Baseline in mid-reply leaves the draft behind; when it drafts again it catches up, and the text is the same."""
    target, draft = str(models.target("llama")), str(models.near("llama"))
    with Engine.load(target, draft, device="cpu", dtype="float32", drafter="model") as engine:
        request = Request(prompt_ids=tiny.prompt(20, 5), max_tokens=60, speculation=Speculation(4))
        wanted = engine.generate(request).token_ids
        number = engine.submit(request)
        got: list[int] = []
        for depth in (4, 4, 0, 0, 0, 0, 0, 6, 6, 0, 2, *[5] * 60):
            engine.set_depth(depth, number)
            for event in engine.step():
                got += [token.id for token in getattr(event, "emitted", ())]
        assert got == wanted
