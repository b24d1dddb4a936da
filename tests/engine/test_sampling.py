"""Logits to probabilities as transformers' own processors do it, and drawing from them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from engine import Sampling
from engine.sampling import distribution, draw, penalise, seen_rows

LAST = 1 - 2**-24
"""The largest uniform that torch.rand gives in float32."""


def theirs(logits: Tensor, tokens: Tensor, sampling: Sampling) -> Tensor:
    chain = LogitsProcessorList()
    if sampling.repetition_penalty != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    chain.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        chain.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        chain.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        chain.append(MinPLogitsWarper(sampling.min_p))
    return chain(tokens, logits).softmax(-1)


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"top_k": 1},
        {"top_k": 5},
        {"top_k": 200},
        {"top_p": 0.3},
        {"top_p": 0.9},
        {"top_p": 1e-6},
        {"min_p": 0.05},
        {"min_p": 1.0},
        {"repetition_penalty": 1.3},
        {"repetition_penalty": 0.7},
        {"top_k": 20, "top_p": 0.8, "min_p": 0.02, "repetition_penalty": 1.2},
    ],
)
@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
def test_same_as_transformers(setting: dict[str, float], temperature: float) -> None:
    sampling = Sampling(temperature=temperature, **setting)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        logits = torch.randn(3, 60, generator=generator, dtype=torch.float64) * 4
        tokens = torch.randint(60, (3, 12), generator=generator)
        seen = torch.zeros(3, 60, dtype=torch.bool).scatter(1, tokens, True)
        ours = distribution(logits, sampling, seen)
        wanted = theirs(logits, tokens, sampling)
        assert torch.equal(ours > 0, wanted > 0)
        torch.testing.assert_close(ours, wanted, rtol=1e-12, atol=1e-15)


def test_settings_change_the_law() -> None:
    """None of the cases above is the same as leaving the setting out."""
    logits = torch.linspace(-4, 4, 60)[None]
    seen = torch.ones(1, 60, dtype=torch.bool)
    plain = distribution(logits, Sampling(temperature=1.0), seen)
    for setting in ({"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.05}, {"repetition_penalty": 1.3}, {"temperature": 0.5}):
        changed = distribution(logits, Sampling(**{"temperature": 1.0, **setting}), seen)
        assert (changed - plain).abs().max() > 0.004, setting


def test_temperature_zero_is_one_hot_at_the_first_maximum() -> None:
    logits = torch.tensor([[0.0, 3.0, 3.0, 1.0], [5.0, -1.0, 2.0, 5.0]])
    law = distribution(logits, Sampling(temperature=0))
    assert law.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]


def test_half_precision_logits_are_processed_in_float32() -> None:
    logits = torch.randn(1, 1000, generator=torch.Generator().manual_seed(0)).bfloat16()
    law = distribution(logits, Sampling(temperature=0.7, top_p=0.9))
    assert law.dtype == torch.float32
    assert float(law.double().sum()) == pytest.approx(1, abs=1e-5)
    assert penalise(logits, Sampling(), None).dtype == torch.float32


@pytest.mark.parametrize("temperature", [5e-324, 1e-40, 1e-12, 1e-3])
def test_a_tiny_temperature_is_nearly_greedy_and_never_nan(temperature: float) -> None:
    logits = torch.tensor([[-80.0, 60.0, 59.0, float("-inf")]])
    assert distribution(logits, Sampling(temperature=temperature)).tolist() == [[0, 1, 0, 0]]


def test_tokens_that_a_draft_does_not_have_stay_impossible() -> None:
    logits = torch.tensor([[1.0, 2.0, float("-inf")]])
    for sampling in (Sampling(temperature=2), Sampling(temperature=2, repetition_penalty=1.5, top_p=0.99, min_p=0.01)):
        law = distribution(logits, sampling, torch.ones(1, 3, dtype=torch.bool))
        assert law[0, 2] == 0
        assert law[0, :2].min() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draw_has_the_law_of_its_weights(dtype: torch.dtype) -> None:
    """Integrated over a fine grid of uniforms; the weights need not sum to 1."""
    generator = torch.Generator().manual_seed(3)
    steps = 4000
    for scale in (1.0, 1e-6, 37.0):
        weights = torch.rand(9, generator=generator, dtype=dtype) * scale
        weights[torch.tensor([0, 4, 8])] = 0
        picked = [int(draw(weights, torch.tensor((i + 0.5) / steps, dtype=dtype))) for i in range(steps)]
        share = torch.bincount(torch.tensor(picked), minlength=9) / steps
        assert (share - weights / weights.sum()).abs().max() <= 1.01 / steps
        assert picked == sorted(picked)


def test_draw_never_gives_an_index_without_weight() -> None:
    generator = torch.Generator().manual_seed(5)
    edges = [0.0, 2**-24, 0.5, LAST - 2**-24, LAST, 1.0]
    for size in (1, 2, 7, 500, 8192):
        for density in (0.02, 0.5, 0.98):
            weights = torch.rand(size, generator=generator) ** 8
            weights[torch.rand(size, generator=generator) > density] = 0
            weights[int(torch.randint(size, (), generator=generator))] = 0.1
            for u in [*edges, *torch.rand(20, generator=generator).tolist()]:
                assert weights[int(draw(weights, torch.tensor(u)))] > 0


def test_draw_at_the_ends_takes_the_first_and_last_with_weight() -> None:
    weights = torch.tensor([0.0, 0.0, 0.3, 0.0, 0.7, 0.0])
    assert int(draw(weights, torch.tensor(0.0))) == 2
    assert int(draw(weights, torch.tensor(LAST))) == 4


def test_seen_rows_see_the_prompt_and_the_drafts_before_them() -> None:
    seen = torch.tensor([True, False, False, False, False])
    rows = seen_rows(seen, torch.tensor([3, 1, 3]))
    assert rows is not None
    assert rows.int().tolist() == [[1, 0, 0, 0, 0], [1, 0, 0, 1, 0], [1, 1, 0, 1, 0], [1, 1, 0, 1, 0]]
    assert seen.int().tolist() == [1, 0, 0, 0, 0]
    alone = seen_rows(seen, torch.empty(0, dtype=torch.long))
    assert alone is not None
    assert alone.tolist() == [seen.tolist()]
    assert seen_rows(None, torch.tensor([1])) is None


@pytest.mark.parametrize("setting", ["temperature", "top_p", "min_p", "repetition_penalty"])
@pytest.mark.parametrize("value", [5e-324, 1e-38, 1e-30, 1e38, 1.7e308])
def test_the_smallest_and_largest_numbers_leave_a_law(setting: str, value: float) -> None:
    """They are 0 or infinite in float32."""
    if setting in ("top_p", "min_p") and value > 1:
        return
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(0)) * 8
    seen = torch.arange(40).expand(3, 40) % 2 == 0
    law = distribution(logits, Sampling(**{"temperature": 1.0, setting: value}), seen)
    assert torch.allclose(law.sum(-1), torch.ones(3)) and bool((law >= 0).all())
