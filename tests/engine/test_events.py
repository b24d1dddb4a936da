"""Every event survives JSON text unchanged, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from engine import events
from engine.events import (
    Blocks,
    Counters,
    Cycle,
    DeviceMemory,
    Drafted,
    Emitted,
    Event,
    Failed,
    Finished,
    Loaded,
    Loading,
    MemoryRead,
    ModelInfo,
    Piece,
    Preempted,
    Prefilled,
    Shortage,
    Started,
    Usage,
    from_json,
)

BLOCKS = Blocks(table=((3, 2), (9, 1)), length=40, shared=1, cached=((20, 4),), free=7, total=32)
MODEL = ModelInfo("bundled", "llama", 6_500_000, "float32", 26_000_000, 6, 512, "paged")
MEMORY = DeviceMemory(total=16, free=8, process=4)
USAGE = Usage(9, 4, 5, 3, 8, 2, 0.25, 5 / 3, 0.1, 0.5, 8.0, 1234)
LOADED = Loaded("cpu", "Fake CPU", MODEL, MODEL, 512, 32, 16, 2**20, 4096, 1024, 0.5, MEMORY)

EVERY: tuple[Event, ...] = (
    Loading("reading the target", 1, 2),
    LOADED,
    replace(LOADED, draft=None),
    Started(1, 9, 4, 3, BLOCKS),
    Started(2, 9, 4, None, BLOCKS, "why?", "block"),
    Prefilled(1, 5, 0.25, BLOCKS),
    Cycle(
        1,
        0,
        3,
        (Drafted(5, " né", 0.5, 0.25, True), Drafted(6, "\u2028\x00", 1.0, 0.0, False)),
        1,
        (Emitted(5, " né", "draft"), Emitted(8, "\U0001f600", "correction")),
        0.01,
        0.02,
        0.03,
        BLOCKS,
        4,
        prompt_rows=5,
        batch=2,
        drafter="ngram",
        reason="drafting costs more than it saves",
        in_flight=((11, 1),),
    ),
    Cycle(1, 1, 0, (), 0, (Emitted(4, "", "plain"),), 0.0, 0.02, 0.03, replace(BLOCKS, table=(), cached=()), 3),
    Cycle(1, 2, 0, (), 0, (Emitted(4, "a", "plain", -0.5, ((4, -0.5), (7, -1.5))),), 0.0, 0.1, 0.1, BLOCKS, 3),
    Piece(1, "some text", 0.25),
    Counters(1),
    Counters(1, 3, 12, 5, (3, 2, 0), 0.5),
    Preempted(1),
    Shortage("returned", "The device had no memory."),
    MemoryRead(MEMORY),
    Finished(1, "eos", " né\U0001f600", USAGE, BLOCKS),
    Finished(1, "cancelled", "", Usage(9, 0, 0, 0, 0, 0, None, None, None, 0.0, None), BLOCKS),
    Failed(1, "OutOfMemory", "The pool is full; ask for less."),
    Failed(None, "ModelNotFound", "There is no such folder."),
)


@pytest.mark.parametrize("event", EVERY, ids=lambda event: event.kind)
def test_an_event_survives_json(event: Event) -> None:
    assert from_json(json.loads(json.dumps(event.to_json()))) == event


def test_every_kind_of_event_is_tried() -> None:
    assert {event.kind for event in EVERY} == set(events.EVENTS)
    classes = [c for c in vars(events).values() if isinstance(c, type) and issubclass(c, Event) and c is not Event]
    assert set(classes) == set(events.EVENTS.values()) and len(classes) == len(events.EVENTS)


def test_fields_of_a_later_version_are_ignored() -> None:
    assert from_json({"event": "preempted", "request": 4, "mood": "sad"}) == Preempted(4)
    assert from_json({"event": "loading", "stage": "x"}) == Loading("x")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"event": "party"},
        {"event": None},
        {"event": "started", "request": 1},
        {"event": "memory", "memory": 5},
        {"event": "memory", "memory": {"total": 1}},
        {"event": "prefilled", "request": 1, "tokens": 1, "seconds": 1.0, "blocks": []},
    ],
)
def test_anything_else_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        from_json(data)


def test_an_event_is_frozen() -> None:
    with pytest.raises(AttributeError):
        EVERY[0].stage = "other"  # type: ignore[attr-defined]
