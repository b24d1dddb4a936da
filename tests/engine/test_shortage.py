"""A device that runs out of memory: what the engine goes without, who fails in the end, and nobody else's text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tiny
import torch
from starving import WORDS, Starving

from engine import Engine, OutOfMemory, Request, Sampling, Speculation
from engine.devices import Device
from engine.events import Cycle, Event, Failed, Finished, Preempted, Shortage
from engine.models.paged import PagedModel
from engine.shortage import QUIET, SMALL_CHUNK, Restraint, is_out_of_memory

GREEDY, DRAWN = Sampling(), Sampling(temperature=0.9, top_p=0.95, repetition_penalty=1.2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One layer each: few allocations, so that each can fail in turn."""
    folder = tmp_path_factory.mktemp("small")
    target = tiny.save(tiny.build("llama", num_hidden_layers=1), folder / "target")
    draft = tiny.save(tiny.nudge(tiny.build("llama", num_hidden_layers=1), 0.04), folder / "draft")
    with Engine.load(target, draft, device="cpu") as engine:
        yield engine


@pytest.fixture(autouse=True)
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    """Each time memory was given back; collecting garbage itself would be most of these tests' time."""
    given: list[Device] = []
    monkeypatch.setattr("engine.loop.give_back", given.append)
    return given


def ask(seed: int, sampling: Sampling = GREEDY, **changes: Any) -> Request:
    settings: dict[str, Any] = {"prompt_ids": tiny.prompt(7 + 9 * seed, seed), "max_tokens": 4, "seed": seed}
    return Request(**settings | {"sampling": sampling, "speculation": Speculation(2)} | changes)


THREE = [ask(0), ask(1, DRAWN, logprobs=1), ask(2, DRAWN, speculation=Speculation(2, "token"))]


def run(engine: Engine, requests: list[Request]) -> tuple[list[int], list[Event]]:
    """From an empty prefix cache."""
    for model in (engine._pair.target, engine._pair.draft):
        assert model is not None
        model.allocator.forget_all()
    numbers = [engine.submit(request) for request in requests]
    events: list[Event] = []
    while engine.busy:
        events += engine.step()
    return numbers, events


def said(events: list[Event], number: int) -> list[int]:
    return [token.id for e in events if isinstance(e, Cycle) and e.request == number for token in e.emitted]


def ends(events: list[Event], number: int) -> list[Event]:
    return [e for e in events if isinstance(e, (Finished, Failed)) and e.request == number]


def measures(events: list[Event]) -> list[str]:
    return [e.measure for e in events if isinstance(e, Shortage)]


@pytest.fixture(scope="module")
def wanted(small: Engine) -> list[list[int]]:
    numbers, events = run(small, THREE)
    return [said(events, number) for number in numbers]


@pytest.fixture(scope="module")
def allocations(small: Engine, wanted: list[list[int]]) -> int:
    with Starving() as device:
        numbers, events = run(small, THREE)
    assert [said(events, number) for number in numbers] == wanted
    return device.made


def check_usable(engine: Engine, wanted: list[list[int]]) -> None:
    numbers, events = run(engine, THREE[:1])
    assert said(events, numbers[0]) == wanted[0]
    assert measures(events) == []


def fail_at(engine: Engine, wanted: list[list[int]], place: int) -> None:
    with Starving(lambda number: number == place) as device:
        numbers, events = run(engine, THREE)
    assert device.failed == 1
    assert [said(events, number) for number in numbers] == wanted, f"allocation {place}"
    assert [len(ends(events, number)) for number in numbers] == [1, 1, 1]
    assert not any(isinstance(event, Failed) for event in events)
    assert measures(events) == ["returned"], f"allocation {place}"
    assert tiny.held(engine) == 0


@pytest.mark.parametrize("part", range(8))
def test_one_allocation_that_fails_changes_no_text(
    small: Engine, wanted: list[list[int]], allocations: int, part: int
) -> None:
    """In prefill, draft, verification or sampling, of three at once."""
    for place in range(part * 7, allocations, 8 * 11):
        fail_at(small, wanted, place)
        check_usable(small, wanted)


@pytest.mark.slow
def test_every_allocation_in_turn(small: Engine, wanted: list[list[int]], allocations: int) -> None:
    for place in range(allocations):
        fail_at(small, wanted, place)
    check_usable(small, wanted)


@pytest.mark.parametrize("times", [2, 3, 4, 6])
def test_a_longer_shortage_delays_and_changes_no_greedy_text(small: Engine, allocations: int, times: int) -> None:
    requests = [ask(seed) for seed in range(3)]
    numbers, events = run(small, requests)
    before = [said(events, number) for number in numbers]
    for place in range(0, allocations, 61):
        with Starving(lambda number, at=place: at <= number < at + times):
            numbers, events = run(small, requests)
        for number, text in zip(numbers, before, strict=True):
            (end,) = ends(events, number)
            if isinstance(end, Failed):
                assert end.error == "OutOfMemory" and text[: len(said(events, number))] == said(events, number)
            else:
                assert said(events, number) == text
        assert tiny.held(small) == 0


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("after", [0, 1, 2])
def test_who_never_gets_memory_fails_alone(
    small: Engine, monkeypatch: pytest.MonkeyPatch, which: int, after: int
) -> None:
    """The others say what they say alone, and the one fails once, for one reason, keeping what it has said."""
    requests = [ask(seed, max_tokens=12) for seed in range(3)]
    numbers, events = run(small, requests)
    before = [said(events, number) for number in numbers]
    target, honest = small._pair.target, PagedModel._run
    culprit: list[Any] = []

    def hungry(self: PagedModel, spans: list[Any]) -> torch.Tensor:
        if self is target and culprit[0].counts.cycles >= after and any(s.table is culprit[0].table for s in spans):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return honest(self, spans)

    monkeypatch.setattr(PagedModel, "_run", hungry)
    add = small._loop.add

    def meet(sequence: Any) -> None:
        if sequence.request is requests[which]:
            culprit.append(sequence)
        add(sequence)

    monkeypatch.setattr(small._loop, "add", meet)
    numbers, events = run(small, requests)
    (end,) = ends(events, numbers[which])
    assert isinstance(end, Failed) and end.error == "OutOfMemory"
    assert "shorten the chat" in end.message
    assert said(events, numbers[which]) == before[which][: len(said(events, numbers[which]))]
    others = [i for i in range(3) if i != which]
    assert [said(events, numbers[i]) for i in others] == [before[i] for i in others]
    assert measures(events)[:2] == ["returned", "restrained"] and set(measures(events)[2:]) <= {"fewer"}
    assert {e.reason for e in events if isinstance(e, Preempted)} <= {"device"}
    assert tiny.held(small) == 0


def test_nothing_is_drafted_and_prompts_are_read_in_small_pieces_while_memory_is_short(
    small: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, honest, rows = small._pair.target, PagedModel._run, []
    failing = 2

    def counted(self: PagedModel, spans: list[Any]) -> torch.Tensor:
        nonlocal failing
        if failing:
            failing -= 1
            raise RuntimeError(WORDS)
        if self is target:
            rows.append(sum(len(span.tokens) for span in spans))
        return honest(self, spans)

    monkeypatch.setattr(PagedModel, "_run", counted)
    _, events = run(small, [ask(0, prompt_ids=tiny.prompt(100, 1), max_tokens=QUIET + 10)])
    assert measures(events) == ["returned", "restrained"]
    assert rows[:2] == [SMALL_CHUNK, 100 - SMALL_CHUNK]
    depths = [e.depth for e in events if isinstance(e, Cycle)]
    assert not any(depths[: QUIET - 2]) and any(depths[QUIET:]), "until enough steps went well"


def test_a_draft_without_memory_costs_speculation_only(small: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, events = run(small, THREE[:1])
    text = said(events, numbers[0])
    draft, honest = small._pair.draft, PagedModel._run

    def hungry(self: PagedModel, spans: list[Any]) -> torch.Tensor:
        if self is draft:
            raise torch.OutOfMemoryError("HIP out of memory.")
        return honest(self, spans)

    monkeypatch.setattr(PagedModel, "_run", hungry)
    numbers, events = run(small, THREE[:1])
    assert said(events, numbers[0]) == text
    assert measures(events) == ["returned", "restrained"]
    assert not any(e.drafted for e in events if isinstance(e, Cycle))


def test_another_failure_is_not_a_shortage(small: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: PagedModel, spans: list[Any]) -> torch.Tensor:
        raise RuntimeError("shape mismatch")

    with monkeypatch.context() as patch:
        patch.setattr(PagedModel, "_run", broken)
        numbers, events = run(small, THREE[:2])
    assert measures(events) == []
    assert [type(ends(events, number)[0]) for number in numbers] == [Failed, Failed]
    assert tiny.held(small) == 0


def test_memory_is_given_back_to_the_device(small: Engine, given_back: list[Device]) -> None:
    with Starving(lambda number: number == 30):
        run(small, THREE[:1])
    assert given_back == [small._pair.device]


def test_each_backend_says_it_in_its_own_words() -> None:
    for words in (
        "CUDA out of memory. Tried to allocate 20.00 MiB.",
        "HIP out of memory.",
        "MPS backend out of memory (MPS allocated: 8 GB)",
        "XPU out of memory.",
        WORDS,
        "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.",
        "Could not allocate tensor with 64 bytes. There is not enough GPU video memory available!",
        "CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "Native API failed. Native API returns: UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY",
        "std::bad_alloc",
    ):
        assert is_out_of_memory(RuntimeError(words)), words
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(OutOfMemory("The pool is full."))
    assert is_out_of_memory(OSError(12, "Cannot allocate memory"))
    assert is_out_of_memory(OSError("The paging file is too small for this operation to complete. (os error 1455)"))
    wrapped = ValueError("reading failed")
    wrapped.__cause__ = MemoryError()
    assert is_out_of_memory(wrapped)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_restraint_is_lifted_after_quiet_steps_only() -> None:
    restraint = Restraint()
    assert [restraint.tighten() for _ in range(4)] == [True, True, False, False]
    for _ in range(QUIET - 1):
        restraint.passed()
    assert restraint.strict and restraint.chunk(512) == SMALL_CHUNK and restraint.chunk(8) == 8
    restraint.tighten()
    for _ in range(QUIET):
        assert restraint.strict
        restraint.passed()
    assert not restraint.strict and restraint.chunk(512) == 512
