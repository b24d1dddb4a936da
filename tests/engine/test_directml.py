"""Whole generations on an emulated DirectML device: the texts of the CPU, and nothing that such a device cannot do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import tiny
from directml_device import emulated
from directml_rules import Guard

from engine import Engine, Request, Sampling, Speculation

SETTINGS = [
    (5, Sampling(temperature=0), 4),
    (20, Sampling(temperature=0.8, top_p=0.9, top_k=40, min_p=0.01, repetition_penalty=1.2), 3),
    (33, Sampling(temperature=0, repetition_penalty=1.1), 2),
]


def requests(shift: int = 0, tokens: int = 16) -> list[Request]:
    """A greedy, a sampled and a penalised one, of different lengths and depths."""
    return [
        Request(
            prompt_ids=tiny.prompt(length + shift, length + shift),
            max_tokens=tokens,
            seed=length,
            sampling=sampling,
            speculation=Speculation(depth),
            logprobs=2 if length == 20 else None,
        )
        for length, sampling, depth in SETTINGS
    ]


@pytest.fixture(scope="module")
def folders(models: tiny.Models) -> tuple[Path, Path]:
    return models.target("llama"), models.near("llama")


@pytest.fixture(scope="module")
def wanted(pair: Engine) -> list[list[int]]:
    return [reply.token_ids for reply in pair.generate_batch(requests())]


@pytest.fixture(scope="module")
def device() -> Iterator[Guard]:
    with emulated() as guard:
        yield guard


@pytest.fixture(scope="module")
def there(device: Guard, folders: tuple[Path, Path]) -> Iterator[Engine]:
    with Engine.load(*folders, device="directml") as engine:
        assert (engine.loaded.device_name, engine.loaded.target.attention) == ("Fake Radeon", "fused")
        yield engine


def test_it_says_what_the_cpu_says_and_waits_once_a_cycle(
    there: Engine, device: Guard, wanted: list[list[int]]
) -> None:
    for request, text in zip(requests(), wanted, strict=True):
        before = device.waits
        reply = there.generate(request)
        assert reply.token_ids == text
        assert device.waits - before == reply.usage.cycles
        assert 0 < reply.usage.accepted < reply.usage.drafted, "drafts must be kept and rolled back"
    before = device.waits
    together = there.generate_batch(requests())
    assert [reply.token_ids for reply in together] == wanted
    assert device.waits - before == max(reply.usage.cycles for reply in together)
    assert device.offences == {}
    assert tiny.held(there) == 0


@pytest.mark.slow
def test_other_texts_compile_next_to_nothing(there: Engine, device: Guard) -> None:
    """Words and lengths change no shape; only who is still there, and how far, at the end of a batch does."""
    for shift in (0, -2, -2):  # The second time a prompt's prefix is known, and fewer rows are read.
        there.generate_batch(requests(shift))
    compiled = len(device.kernels)
    there.generate_batch(requests(-2))
    assert len(device.kernels) == compiled
    there.generate_batch(requests(-1))
    assert len(device.kernels) - compiled < compiled / 50


@pytest.mark.slow
def test_a_growing_text_compiles_ever_less(there: Engine, device: Guard) -> None:
    """Lengths are padded to two sizes an octave: from 64 to 128 tokens there are two."""
    compiled = []
    for length in (50, 66, 82, 98, 114):
        there.generate(Request(prompt_ids=tiny.prompt(length, 9), max_tokens=14, speculation=Speculation(3)))
        compiled.append(len(device.kernels))
    grown = [b - a for a, b in pairwise(compiled)]
    assert grown[0] > 0 and grown[1] == 0 and grown[3] == 0, grown


def test_its_work_comes_from_one_thread(there: Engine, device: Guard) -> None:
    import threading

    done = []
    threads = [threading.Thread(target=lambda: done.append(there.generate(requests()[0]).token_ids)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 2 and done[0] == done[1]
    assert len(device.threads) == 1 and threading.get_ident() not in device.threads


def test_n_grams_and_plain_steps_keep_the_rules_too(device: Guard, folders: tuple[Path, Path], pair: Engine) -> None:
    repeating = Request(prompt_ids=tiny.prompt(6, 1) * 4, max_tokens=12, speculation=Speculation(4))
    plain = Request(prompt_ids=tiny.prompt(9, 2), max_tokens=6, speculation=Speculation(0))
    with Engine.load(*folders, device="dml", drafter="chain", prefill_chunk=16) as engine:
        replies = engine.generate_batch([repeating, plain])
    assert [r.token_ids for r in replies] == [r.token_ids for r in pair.generate_batch([repeating, plain])]
    assert replies[0].usage.drafted > 0
    assert device.offences == {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gemma3_text", "gpt2", "mistral+window", "qwen3"])
def test_other_architectures_keep_the_rules(kind: str, models: tiny.Models) -> None:
    with Engine.load(models.target(kind), models.near(kind), device="cpu") as engine:
        wanted = [reply.token_ids for reply in engine.generate_batch(requests())]
    with emulated() as guard, Engine.load(models.target(kind), models.near(kind), device="directml") as engine:
        assert [reply.token_ids for reply in engine.generate_batch(requests())] == wanted
        assert guard.offences == {}


def test_half_precision_runs_in_half_precision(device: Guard, folders: tuple[Path, Path]) -> None:
    with Engine.load(*folders, device="directml", dtype="float16") as engine:
        assert engine.loaded.target.dtype == "float16"
        reply = engine.generate(requests()[1])
    assert len(reply.token_ids) == 16 and device.offences == {}


def test_the_seconds_of_a_cycle_are_shared_out(there: Engine) -> None:
    """Nothing waits between drafting and verifying, so the split is what was expected; the sum is what it took."""
    cycles = [event for event in there.stream(requests()[0]) if type(event).__name__ == "Cycle"]
    drafting = [c for c in cycles if c.drafted]
    assert drafting and all(c.draft_seconds > 0 and c.verify_seconds > 0 for c in drafting)
    assert all(math.isclose(c.draft_seconds + c.verify_seconds, c.seconds, rel_tol=0.5) for c in cycles)
