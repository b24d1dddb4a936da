"""The n-gram drafter: against a search written plainly, and in the engine's loop."""

from __future__ import annotations

import random

import pytest
import tiny

from engine import Engine, HelixError, Request, Sampling, Speculation
from engine.drafters.ngram import LONGEST, SHORTEST, NgramIndex
from engine.events import Cycle


def search(tokens: list[int]) -> tuple[int, int]:
    """By brute force: the longest run (2 to 8) ending the text that occurred before, and what followed it last."""
    for n in range(min(LONGEST, len(tokens) - 1), SHORTEST - 1, -1):
        for end in range(len(tokens) - 1, n - 1, -1):
            if tokens[end - n : end] == tokens[-n:]:
                return n, end
    return 0, 0


def test_it_finds_what_a_plain_search_finds() -> None:
    rng = random.Random(0)
    found = 0
    for _ in range(60):
        index, text = NgramIndex(), []
        for _ in range(80):
            text += [rng.randrange(5) for _ in range(rng.randrange(1, 4))]
            index.extend(text)
            assert index.match() == search(text)
            found += index.match()[0] > 0
    assert found > 1000


def test_it_proposes_what_followed_and_repeats_a_period() -> None:
    index = NgramIndex()
    index.extend([1, 2, 3, 4, 5, 1, 2])
    assert index.propose(3) == [3, 4, 5]
    assert index.propose(7) == [3, 4, 5, 1, 2, 3, 4]
    index = NgramIndex()
    index.extend([7, 7, 7, 7])
    assert index.propose(5) == [7] * 5


def test_no_match_no_proposal() -> None:
    index = NgramIndex()
    index.extend([1, 2, 3, 4])
    assert index.propose(4) == []
    index.extend([1, 2, 3, 4, 2, 3])
    assert index.propose(2) == [4, 2]
    assert index.propose(2, shortest=3) == []


@pytest.fixture(scope="module")
def repeating(models: tiny.Models) -> str:
    return str(models.target("llama"))


def reply(engine: Engine, depth: int, **sampling: float) -> tuple[list[int], list[Cycle]]:
    request = Request(
        prompt_ids=[5, 9, 11, 5, 9, 11, 5, 9],
        sampling=Sampling(**sampling),
        speculation=Speculation(depth),
        max_tokens=40,
        seed=3,
    )
    cycles = [e for e in engine.stream(request) if isinstance(e, Cycle)]
    return [t.id for c in cycles for t in c.emitted], cycles


def test_greedy_text_is_the_same_with_every_drafter(models: tiny.Models) -> None:
    target, draft = str(models.target("llama")), str(models.near("llama"))
    with Engine.load(target, None, device="cpu", dtype="float32") as plain:
        expected, _ = reply(plain, 0)
    sources = set()
    for drafter, small in (("ngram", None), ("ngram", draft), ("chain", draft), ("auto", draft), ("auto", None)):
        with Engine.load(target, small, device="cpu", dtype="float32", drafter=drafter) as engine:
            got, cycles = reply(engine, 5)
            assert got == expected, drafter
            sources |= {c.drafter for c in cycles}
    assert sources >= {"ngram", "model"}


def test_ngrams_need_no_draft_model_and_are_told_in_the_events(repeating: str) -> None:
    with Engine.load(repeating, None, device="cpu", drafter="ngram") as engine:
        _, cycles = reply(engine, 4)
    drafting = [c for c in cycles if c.drafted]
    assert drafting
    assert all(c.drafter == "ngram" and all(d.q == 1.0 for d in c.drafted) for c in drafting)
    assert all(c.drafter is None for c in cycles if not c.drafted)


def test_the_chain_needs_a_draft_model(repeating: str) -> None:
    with pytest.raises(HelixError, match="chain drafter needs a draft model"):
        Engine.load(repeating, None, device="cpu", drafter="chain")


def test_an_unknown_drafter_is_refused(repeating: str) -> None:
    with pytest.raises(HelixError, match="use auto, model, ngram or chain"):
        Engine.load(repeating, None, device="cpu", drafter="magic")
