"""Questions that run beside the chat: together, heard by their own sink alone, and stopped with everything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from notes import into
from scripted import ScriptedEngine, loader
from waiting import until as wait

from engine.events import Cycle, Finished, MemoryRead, Preempted, Started
from helix_tui.messages import Note, Question, Trouble
from helix_tui.replay import ReplaySource
from helix_tui.sources import LiveSource


def question(text: str) -> Question:
    return Question(({"role": "user", "content": text},))


@contextmanager
def started(engine: ScriptedEngine) -> Iterator[tuple[LiveSource, list[Note]]]:
    notes: list[Note] = []
    source = LiveSource(loader=loader(engine))
    source.start(into(notes))
    try:
        yield source, notes
    finally:
        source.close()


def ended(notes: list[Note], count: int = 1) -> bool:
    return sum(isinstance(note, Finished) for note in notes) == count


def requests(notes: list[Note]) -> set[int]:
    return {note.request for note in notes if isinstance(note, (Started, Cycle, Finished))}


def test_what_runs_beside_the_chat_is_heard_by_its_own_sink_alone() -> None:
    side: list[Note] = []
    with started(ScriptedEngine()) as (source, notes):
        source.run([question("a"), question("b"), question("c")], into(side))
        source.ask(question("hello"))
        wait(lambda: ended(notes))
        assert ended(side, 3)
    assert requests(side) == {1, 2, 3} and requests(notes) == {4}
    assert any(isinstance(note, MemoryRead) for note in notes)
    assert not any(isinstance(note, MemoryRead) for note in side)


def test_several_advance_together() -> None:
    side: list[Note] = []
    with started(ScriptedEngine()) as (source, _):
        source.run([question("a"), question("b")], into(side))
        wait(lambda: ended(side, 2))
    firsts = [note.request for note in side if isinstance(note, Cycle)][:4]
    assert firsts == [1, 2, 1, 2]


def test_a_stop_ends_all_that_was_asked_and_nothing_that_is_asked_after() -> None:
    engine = ScriptedEngine(gate=threading.Semaphore(0))
    first, second, third = list[Note](), list[Note](), list[Note]()
    with started(engine) as (source, _):
        source.run([question("a"), question("b")], into(first))
        wait(lambda: len(engine.runs) == 2)
        source.run([question("c")], into(second))
        source.stop()
        source.run([question("d")], into(third))
        wait(lambda: ended(second))
        engine.gate = None
        wait(lambda: ended(third))
    reasons = [[n.reason for n in notes if isinstance(n, Finished)] for notes in (first, second, third)]
    assert reasons == [["cancelled", "cancelled"], ["cancelled"], ["eos"]]


def test_a_refused_question_does_not_keep_the_others_from_running() -> None:
    side: list[Note] = []
    with started(ScriptedEngine()) as (source, notes):
        source.run([question("a"), Question(()), question("b")], into(side))
        wait(lambda: ended(side, 2))
        assert [n.where for n in side if isinstance(n, Trouble)] == ["ask"]
        assert not any(isinstance(n, Trouble) for n in notes)


def test_a_step_that_breaks_is_told_to_the_side_and_the_chat_goes_on() -> None:
    def once(engine: ScriptedEngine) -> None:
        engine.before_step = None
        raise RuntimeError("broken")

    side: list[Note] = []
    with started(ScriptedEngine(before_step=once)) as (source, notes):
        source.run([question("a"), question("b")], into(side))
        wait(lambda: any(isinstance(n, Trouble) for n in side))
        source.ask(question("hello"))
        wait(lambda: ended(notes))
        assert [n.where for n in side if isinstance(n, Trouble)] == ["run"]
        assert not any(isinstance(n, Trouble) for n in notes)


def test_an_engine_that_is_lost_is_told_to_both() -> None:
    def always(engine: ScriptedEngine) -> None:
        raise RuntimeError("broken")

    side: list[Note] = []
    with started(ScriptedEngine(before_step=always)) as (source, notes):
        source.run([question("a")], into(side))
        wait(lambda: any(isinstance(n, Trouble) for n in notes))
        assert [n.where for n in side if isinstance(n, Trouble)] == ["lost"]
        wait(lambda: not source.alive)


def test_a_full_pool_preempts_the_newest_and_loses_nothing() -> None:
    side: list[Note] = []
    engine = ScriptedEngine(blocks=12)
    with started(engine) as (source, _):
        source.run([question("a"), question("b"), question("c"), question("d")], into(side))
        wait(lambda: ended(side, 4))
    assert any(isinstance(n, Preempted) for n in side)
    assert {n.reason for n in side if isinstance(n, Finished)} == {"eos"}


def test_a_recording_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helix_tui.replay.read_recording", lambda path: [])
    ReplaySource("x.jsonl").run([question("a")], into([]))
