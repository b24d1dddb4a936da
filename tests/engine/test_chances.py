"""The target's probability of every token that is emitted, whatever its origin."""

from __future__ import annotations

import math

import pytest
import tiny

from engine import Engine, Request, Sampling, Speculation
from engine.events import Cycle, Emitted, from_json


def emitted(pair: Engine, depth: int, temperature: float, **sampling: float) -> list[Emitted]:
    request = Request(
        prompt_ids=tiny.prompt(12, 3),
        sampling=Sampling(temperature=temperature, **sampling),
        speculation=Speculation(depth=depth),
        max_tokens=60,
        seed=5,
        logprobs=0,
    )
    return [token for event in pair.stream(request) if isinstance(event, Cycle) for token in event.emitted]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_it_is_that_of_the_logits_where_nothing_changes_them(pair: Engine, temperature: float) -> None:
    tokens = [token for token in emitted(pair, 3, temperature) if token.origin != "plain"]
    assert {token.origin for token in tokens} == {"draft", "correction", "bonus"}
    for token in tokens:
        assert token.p is not None and token.logprob is not None
        assert token.p == pytest.approx(math.exp(token.logprob), rel=1e-4)


def test_it_is_of_the_processed_law_where_sampling_cuts(pair: Engine) -> None:
    tokens = emitted(pair, 3, 1.0, top_k=1)
    assert all(token.p == 1 for token in tokens)


def test_a_plain_token_has_it_when_it_was_drawn(pair: Engine) -> None:
    drawn = emitted(pair, 0, 1.0)
    assert [token.p for token in drawn] == pytest.approx([math.exp(token.logprob or 0) for token in drawn], rel=1e-4)
    assert all(token.p is None and token.logprob is not None for token in emitted(pair, 0, 0.0))


def test_it_is_in_the_event_and_older_recordings_have_none(pair: Engine) -> None:
    request = Request(prompt_ids=tiny.prompt(12, 3), speculation=Speculation(depth=2), max_tokens=4)
    cycle = next(event for event in pair.stream(request) if isinstance(event, Cycle))
    told = cycle.to_json()
    assert from_json(told) == cycle
    for token in told["emitted"]:
        del token["p"]
    older = from_json(told)
    assert isinstance(older, Cycle) and all(token.p is None for token in older.emitted)
