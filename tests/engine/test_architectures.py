"""At temperature 0, the very tokens of transformers' own greedy `generate`: at every depth, for every architecture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
import tiny

from engine import Engine, Request, Sampling, Speculation
from engine.models.source import bundled as bundled_folder

DEPTHS = range(9)
PROMPTS = [tiny.prompt(3, 1), tiny.prompt(29, 2)]
LENGTH = 22
KINDS = [pytest.param(kind, marks=[pytest.mark.slow] if kind in tiny.EXTRA else []) for kind in tiny.KINDS]
CHATS = [
    "What is the capital of France?",
    "Write a haiku about the sea.",
    "How do I make pancakes?",
    "Name five fruits.",
]


@cache
def bundled_answers(penalty: float) -> list[tuple[list[int], list[int]]]:
    """(prompt, reply) by transformers alone."""
    from transformers import AutoTokenizer

    folder = bundled_folder("target")
    model, tokenizer = tiny.load(folder), AutoTokenizer.from_pretrained(folder)
    answers = []
    for text in CHATS:
        chat = [{"role": "user", "content": text}]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
        answers.append((ids, tiny.greedy(model, ids, 40, repetition_penalty=penalty)))
    return answers


@pytest.mark.parametrize(("verifier", "depths"), [("block", DEPTHS), ("token", (1, 5))])
def test_bundled_pair_at_every_depth(bundled: Engine, verifier: str, depths: Sequence[int]) -> None:
    answers = bundled_answers(1.0)
    rates = []
    for depth in depths:
        requests = [
            Request(
                messages=[{"role": "user", "content": text}], max_tokens=40, speculation=Speculation(depth, verifier)
            )
            for text in CHATS
        ]
        replies = bundled.generate_batch(requests)
        assert [reply.token_ids for reply in replies] == [wanted for _, wanted in answers], f"depth {depth}"
        rates += [reply.usage.acceptance_rate for reply in replies if depth]
    assert any(rate == 1 for rate in rates)
    assert any(0 < rate < 0.9 for rate in rates)


def test_bundled_pair_alone_and_with_a_penalty(bundled: Engine) -> None:
    for penalty in (1.0, 1.4):
        for depth in (0, 4):
            for prompt, wanted in bundled_answers(penalty)[:3]:
                sampling = Sampling(repetition_penalty=penalty)
                reply = bundled.generate(
                    Request(prompt_ids=prompt, max_tokens=40, sampling=sampling, speculation=Speculation(depth))
                )
                assert reply.token_ids == wanted
    assert bundled_answers(1.0) != bundled_answers(1.4)


@cache
def answers(models: tiny.Models, kind: str, penalty: float = 1.0) -> list[list[int]]:
    model = tiny.load(models.target(kind))
    wanted = [tiny.greedy(model, prompt, LENGTH, repetition_penalty=penalty) for prompt in PROMPTS]
    assert all(len(set(reply)) > 2 for reply in wanted), "a constant reply proves nothing"
    return wanted


def requests(depth: int, verifier: str = "block", penalty: float = 1.0) -> list[Request]:
    return [
        Request(
            prompt_ids=prompt,
            max_tokens=LENGTH,
            sampling=Sampling(repetition_penalty=penalty),
            speculation=Speculation(depth, verifier),
        )
        for prompt in PROMPTS
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_draft_that_is_sometimes_right(models: tiny.Models, kind: str) -> None:
    """A nudged copy of the target drafts: drafts are kept and rolled back, at every depth, alone and together."""
    wanted = answers(models, kind)
    drafted = accepted = 0
    with Engine.load(models.target(kind), models.near(kind), device="cpu", prefill_chunk=8) as engine:
        for depth in DEPTHS:
            replies = engine.generate_batch(requests(depth))
            assert [reply.token_ids for reply in replies] == wanted, f"depth {depth}"
            drafted += sum(reply.usage.drafted for reply in replies)
            accepted += sum(reply.usage.accepted for reply in replies)
        for request, tokens in zip(requests(5, "token"), wanted, strict=True):
            assert engine.generate(request).token_ids == tokens
    assert 0 < accepted < drafted


@pytest.mark.parametrize("kind", KINDS)
def test_draft_that_is_wrong_and_no_draft(models: tiny.Models, kind: str) -> None:
    wanted = answers(models, kind)
    with Engine.load(models.target(kind), models.small(kind), device="cpu") as engine:
        for depth in (1, 8):
            replies = engine.generate_batch(requests(depth))
            assert [reply.token_ids for reply in replies] == wanted, f"depth {depth}"
            assert all(reply.usage.drafted > reply.usage.accepted for reply in replies)
    with Engine.load(models.target(kind), device="cpu", prefill_chunk=8) as engine:
        replies = engine.generate_batch(requests(4))
        assert [reply.token_ids for reply in replies] == wanted
        assert [reply.usage.drafted for reply in replies] == [0, 0]


@pytest.mark.parametrize("kind", ["llama", "mistral+window", "gpt2"])
def test_repetition_penalty(models: tiny.Models, kind: str) -> None:
    wanted = answers(models, kind, 1.5)
    assert wanted != answers(models, kind)
    with Engine.load(models.target(kind), models.near(kind), device="cpu") as engine:
        for depth in (0, 3, 7):
            replies = engine.generate_batch(requests(depth, penalty=1.5))
            assert [reply.token_ids for reply in replies] == wanted, f"depth {depth}"
            assert depth == 0 or sum(reply.usage.accepted for reply in replies) > 0


@pytest.mark.parametrize("drafter", ["ngram", "chain"])
def test_n_gram_drafts(models: tiny.Models, drafter: str) -> None:
    """Prompts that repeat themselves, so that n-grams match and are often wrong."""
    stem = tiny.prompt(7, 4)
    prompts = [stem * 3, [*stem[:5], *stem, *stem[2:], *stem[:4]]]
    model = tiny.load(models.target("llama"))
    wanted = [tiny.greedy(model, prompt, 60) for prompt in prompts]
    drafted = 0
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", drafter=drafter) as engine:
        for depth in (2, 8):
            replies = engine.generate_batch(
                [Request(prompt_ids=p, max_tokens=60, speculation=Speculation(depth)) for p in prompts]
            )
            assert [reply.token_ids for reply in replies] == wanted
            drafted += sum(reply.usage.drafted for reply in replies)
    assert drafted > 0
