"""A held engine waits between rounds, and still obeys: one round, a depth, a stop, the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from making import finished
from scripted import STORY, ScriptedEngine, loader
from waiting import until as wait

from engine.events import Cycle, Finished
from helix_tui.gate import Gate
from helix_tui.held import without
from helix_tui.messages import Note, Question
from helix_tui.sources import LiveSource


@contextmanager
def held(engine: ScriptedEngine) -> Iterator[tuple[LiveSource, list[Note]]]:
    """A source that is asked something while it is held."""
    notes: list[Note] = []
    source = LiveSource(loader=loader(engine))
    source.hold()
    source.start(lambda note: notes.append(note) is None)
    source.ask(Question(({"role": "user", "content": "hello"},)))
    wait(lambda: engine.busy and waiting(source))
    try:
        yield source, notes
    finally:
        source.close()
        wait(lambda: not source.alive)


def waiting(source: LiveSource) -> bool:
    """Whether the worker stands before the gate."""
    return bool(source._gate._changed._waiters)  # type: ignore[attr-defined]


def cycles(notes: list[Note]) -> list[Cycle]:
    return [note for note in notes if isinstance(note, Cycle)]


def ended(notes: list[Note]) -> Finished | None:
    return next((note for note in notes if isinstance(note, Finished)), None)


def test_a_held_engine_does_one_round_at_a_time_and_then_goes_on() -> None:
    engine = ScriptedEngine()
    with held(engine) as (source, notes):
        assert source.held and engine.steps == 0
        for number in (1, 2, 3):
            source.step_once()
            wait(lambda number=number: len(cycles(notes)) == number and waiting(source))
            assert engine.steps == number
        source.go_on()
        wait(lambda: ended(notes))
        assert not source.held
        assert ended(notes).text == STORY  # type: ignore[union-attr]


def test_a_step_without_a_round_does_not_use_the_pass() -> None:
    """A long prompt takes steps of its own before its first round."""
    engine = ScriptedEngine()
    step, empty = engine.step, [1, 1, 1]
    engine.step = lambda: [] if empty and empty.pop() else step()  # type: ignore[method-assign]
    with held(engine) as (source, notes):
        source.step_once()
        wait(lambda: len(cycles(notes)) == 1 and waiting(source))
        assert empty == []


def test_stop_ends_a_held_reply_at_once() -> None:
    with held(ScriptedEngine()) as (source, notes):
        source.step_once()
        wait(lambda: len(cycles(notes)) == 1 and waiting(source))
        source.stop()
        wait(lambda: ended(notes))
        assert ended(notes).reason == "cancelled"  # type: ignore[union-attr]
        assert len(cycles(notes)) == 1
        assert source.held, "the next reply is held as well"


def test_passes_that_were_left_are_none_for_the_next_reply() -> None:
    engine = ScriptedEngine(replies=["Yes."])
    with held(engine) as (source, notes):
        for _ in range(9):
            source.step_once()
        wait(lambda: ended(notes))
        source.ask(Question(({"role": "user", "content": "again"},)))
        wait(lambda: engine.busy and waiting(source))
        assert len(cycles(notes)) == 1


def test_a_depth_reaches_the_engine_while_it_is_held() -> None:
    engine = ScriptedEngine()
    with held(engine) as (source, notes):
        source.set_depth(1)
        assert ("depth", 1) in engine.calls
        source.step_once()
        wait(lambda: cycles(notes))
        assert cycles(notes)[0].depth == 1


def test_closing_ends_a_held_engine() -> None:
    engine = ScriptedEngine()
    with held(engine) as (source, _):
        source.close()
        wait(lambda: not source.alive)
        assert engine.closed


def test_what_runs_beside_the_chat_is_not_held() -> None:
    side: list[Note] = []
    source = LiveSource(loader=loader(ScriptedEngine()))
    source.hold()
    source.start(lambda note: True)
    source.run([Question(({"role": "user", "content": "a"},))], lambda note: side.append(note) is None)
    wait(lambda: ended(side))
    source.close()


def test_a_gate_that_is_open_never_waits_and_counts_no_passes() -> None:
    gate = Gate()
    gate.step_once()
    gate.wait(lambda: False)
    gate.hold()
    through = threading.Event()
    thread = threading.Thread(target=lambda: (gate.wait(lambda: False), through.set()), daemon=True)
    thread.start()
    wait(lambda: gate._changed._waiters)  # type: ignore[attr-defined]
    assert not through.is_set()
    gate.go_on()
    assert through.wait(10)


def test_time_that_a_reply_was_held_is_not_the_models() -> None:
    engine = ScriptedEngine()
    with held(engine) as (source, notes):
        source.go_on()
        wait(lambda: ended(notes))
        plain = ended(notes).usage  # type: ignore[union-attr]
        notes.clear()
        waits = iter([0.25, 2.0])
        source._gate.wait = lambda until: next(waits, 0.0)  # type: ignore[method-assign]
        source.ask(Question(({"role": "user", "content": "hello"},)))
        wait(lambda: ended(notes))
        usage = ended(notes).usage  # type: ignore[union-attr]
    assert usage.ttft_s == max(0.0, plain.ttft_s - 0.25) and usage.decode_s == max(0.0, plain.decode_s - 2.0)


def test_figures_without_what_was_held() -> None:
    usage = replace(finished().usage, ttft_s=3.0, decode_s=10.0, decode_tokens_per_s=4.0)
    left = without(usage, 2.5, 8.0)
    assert (left.ttft_s, left.decode_s, left.decode_tokens_per_s) == (0.5, 2.0, 20.0)
    assert replace(left, ttft_s=3.0, decode_s=10.0, decode_tokens_per_s=4.0) == usage
    nothing = without(replace(usage, ttft_s=None, decode_s=0.0, decode_tokens_per_s=None), 1.0, 1.0)
    assert (nothing.ttft_s, nothing.decode_s, nothing.decode_tokens_per_s) == (None, 0.0, None)


def test_the_gate_says_how_long_it_was_held() -> None:
    gate = Gate()
    assert gate.wait(lambda: False) == 0.0
    gate.hold()
    spent: list[float] = []
    thread = threading.Thread(target=lambda: spent.append(gate.wait(lambda: False)))
    thread.start()
    wait(lambda: bool(gate._changed._waiters))  # type: ignore[attr-defined]
    gate.go_on()
    thread.join()
    assert spent[0] > 0
