"""The crossing between threads, and the live source behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted import ScriptedEngine, loader
from waiting import PATIENCE
from waiting import until as wait

from engine import BadRecording, read_recording
from engine.events import Cycle, Finished, Loaded, Loading
from helix_tui.bridge import Bridge, Buffer
from helix_tui.messages import Note, Question, Trouble
from helix_tui.sources import LiveSource

HELLO = Question(({"role": "user", "content": "hello"},))


def test_a_full_buffer_makes_the_worker_wait() -> None:
    buffer = Buffer(2)
    done: list[bool] = []

    def work() -> None:
        done.extend(buffer.put(Loading(str(i))) for i in range(3))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    wait(lambda: len(buffer._notes) == 2)
    worker.join(0.2)
    assert worker.is_alive()
    assert [note.stage for note in buffer.drain()] == ["0", "1"]  # type: ignore[union-attr]
    worker.join(PATIENCE)
    assert done == [True, True, True]
    assert len(buffer.drain()) == 1
    assert buffer.drain() == []


def test_closing_lets_a_waiting_worker_go() -> None:
    buffer = Buffer(1)
    buffer.put(Loading("a"))
    answers: list[bool] = []
    worker = threading.Thread(target=lambda: answers.append(buffer.put(Loading("b"))), daemon=True)
    worker.start()
    buffer.close()
    worker.join(PATIENCE)
    assert answers == [False]
    assert buffer.put(Loading("c")) is False
    assert buffer.drain() == []


def test_events_are_recorded_also_after_nobody_looks(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path / "x.jsonl")
    assert bridge.send(Loading("a")) is True
    bridge.close()
    assert bridge.send(Loading("b")) is False
    bridge.finish()
    assert [e.stage for _, e in read_recording(tmp_path / "x.jsonl")] == ["a", "b"]  # type: ignore[attr-defined]


def test_a_recording_that_cannot_go_on_does_not_end_the_chat(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path / "x.jsonl")
    assert bridge.tape._recorder is not None
    bridge.tape._recorder.close()
    assert bridge.send(Loading("a")) is True
    trouble, event = bridge.drain()
    assert isinstance(trouble, Trouble) and trouble.error == "Recording"
    assert event == Loading("a")
    with pytest.raises(BadRecording):
        Bridge(tmp_path / "nowhere" / "x.jsonl")


def test_a_live_source_loads_answers_and_closes() -> None:
    engine, notes = ScriptedEngine(), list[Note]()
    source = LiveSource("a", "b", "c", "d", loader=loader(engine), max_context=7)
    source.start(lambda note: notes.append(note) is None)
    source.ask(HELLO)
    wait(lambda: any(isinstance(n, Finished) for n in notes))
    assert isinstance(notes[0], Loading)
    assert [isinstance(n, Loaded) for n in notes].count(True) == 1
    assert engine.calls[0] == (
        "load", {"target": "a", "draft": "b", "device": "c", "dtype": "d", "max_context": 7},
    )  # fmt: skip
    source.close()
    wait(lambda: not source.alive)
    assert engine.closed


def test_the_loaded_event_comes_once_even_if_the_load_reports_it_too() -> None:
    engine, notes = ScriptedEngine(), list[Note]()

    def load(progress: Callable[[object], None], **options: object) -> ScriptedEngine:
        progress(engine.loaded)
        return engine

    source = LiveSource(loader=load)
    source.start(lambda note: notes.append(note) is None)
    source.ask(HELLO)
    wait(lambda: any(isinstance(n, Finished) for n in notes))
    source.close()
    assert [isinstance(n, Loaded) for n in notes].count(True) == 1


def test_closing_in_mid_load_leaves_at_the_next_progress() -> None:
    engine, notes = ScriptedEngine(), list[Note]()
    source = LiveSource(loader=loader(engine, wait=threading.Event()))
    source.start(lambda note: notes.append(note) is None)
    wait(lambda: notes)
    source.close()
    wait(lambda: not source.alive)
    assert not any(isinstance(n, (Loaded, Trouble)) for n in notes)


def test_a_stop_and_a_depth_pressed_before_the_question_is_submitted_count() -> None:
    engine, notes = ScriptedEngine(), list[Note]()
    ready, go = threading.Event(), threading.Event()

    def load(**_: object) -> ScriptedEngine:
        ready.set()
        go.wait(5)
        return engine

    source = LiveSource(loader=load)
    source.start(lambda note: notes.append(note) is None)
    ready.wait(5)
    source.ask(HELLO)
    source.set_depth(7)
    source.stop()
    go.set()
    wait(lambda: any(isinstance(n, Finished) for n in notes))
    assert ("depth", 7) in engine.calls and ("cancel", 1) in engine.calls
    assert [n.reason for n in notes if isinstance(n, Finished)] == ["cancelled"]
    assert not any(isinstance(n, Cycle) for n in notes)
    source.close()


def test_closing_with_a_full_buffer_does_not_hang() -> None:
    engine = ScriptedEngine(replies=["word " * 5000])
    bridge = Bridge(limit=4)
    source = LiveSource(loader=loader(engine))
    source.start(bridge.send)
    source.ask(HELLO)
    wait(lambda: engine.steps == 1)
    time.sleep(0.1)
    assert engine.steps == 1, "the worker did not wait"
    bridge.close()
    source.close()
    wait(lambda: not source.alive)
    assert engine.closed
