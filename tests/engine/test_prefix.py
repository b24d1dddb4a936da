"""What was said before is not computed again, and forgotten when the room is needed."""

from __future__ import annotations

import pytest
import tiny

from engine import Engine, Request, Speculation

PROMPT = tiny.prompt(20, 7)


def ask(depth: int = 4, **changes: object) -> Request:
    return Request(**{"prompt_ids": PROMPT, "max_tokens": 40, "speculation": Speculation(depth), **changes})


@pytest.mark.parametrize("depth", [0, 4])
def test_the_second_turn_reuses_the_first(models: tiny.Models, depth: int) -> None:
    pair = (models.target("llama"), models.near("llama"))
    with Engine.load(*pair, device="cpu") as engine, Engine.load(*pair, device="cpu", prefix_cache=False) as plain:
        first = engine.generate(ask(depth))
        assert first.usage.cached_tokens == 0
        second = ask(depth, prompt_ids=[*PROMPT, *first.token_ids, *tiny.prompt(9, 8)])
        reply = engine.generate(second)
        assert reply.usage.cached_tokens == (len(PROMPT) + len(first.token_ids) - 1) // 16 * 16
        without = plain.generate(second)
        assert without.usage.cached_tokens == 0
        assert reply.token_ids == without.token_ids
        assert reply.usage.accepted == without.usage.accepted, "the draft's reused KV is right too"
        again = engine.generate(second)
        assert again.token_ids == reply.token_ids
        assert again.usage.cached_tokens >= reply.usage.cached_tokens
        assert tiny.held(engine) == tiny.held(plain) == 0


def test_old_prefixes_are_evicted_and_nothing_is_wrong(models: tiny.Models, pair: Engine) -> None:
    """Many chats through a pool for one."""
    pool = 8 * tiny.block_bytes(pair)
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", kv_memory=pool) as engine:
        assert engine.loaded.block_count == 8
        for seed in range(6):
            request = ask(prompt_ids=tiny.prompt(30 + 5 * seed, seed), max_tokens=30)
            assert engine.generate(request).token_ids == pair.generate(request).token_ids
            assert engine.generate(request).usage.cached_tokens > 0
        assert engine.generate(ask(prompt_ids=tiny.prompt(30, 0), max_tokens=30)).usage.cached_tokens == 0


def test_a_chat_of_the_bundled_pair_reuses_its_first_turn(bundled: Engine) -> None:
    chat = [{"role": "user", "content": "What is machine learning?"}]
    first = bundled.generate(Request(messages=chat, max_tokens=60))
    chat += [{"role": "assistant", "content": first.text}, {"role": "user", "content": "Name five fruits."}]
    second = bundled.generate(Request(messages=chat, max_tokens=20))
    assert second.usage.cached_tokens >= (first.usage.prompt_tokens + len(first.token_ids)) // 16 * 16 - 16
    with Engine.load(device="cpu", dtype="float32", prefix_cache=False) as fresh:
        assert fresh.generate(Request(messages=chat, max_tokens=20)).token_ids == second.token_ids
