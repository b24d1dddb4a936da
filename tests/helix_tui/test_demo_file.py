"""The recording that ships is a real chat of the bundled pair, and shows what a demo has to show."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from engine import read_recording
from engine.events import Cycle, Event, Failed, Finished, Loaded, Started

ASSETS = Path(__file__).parents[2] / "assets"
AGAIN = "the bundled pair has changed: run tests/stubs/make_demo.py"


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return [event for _, event in read_recording(ASSETS / "demo.jsonl.gz")]


def parameters(folder: Path) -> int:
    """Counted in the header of the weights."""
    with (folder / "model.safetensors").open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__" and not name.endswith("_scale"):
            count = 1
            for size in tensor["shape"]:
                count *= size
            total += count
    return total


def test_it_is_small() -> None:
    assert (ASSETS / "demo.jsonl.gz").stat().st_size < 300_000


def test_it_is_of_the_pair_that_ships(events: list[Event]) -> None:
    first = events[0]
    assert isinstance(first, Loaded) and first.draft is not None
    assert first.target.parameters == parameters(ASSETS / "target"), AGAIN
    assert first.draft.parameters == parameters(ASSETS / "draft"), AGAIN


def test_it_has_a_baseline_speculation_that_pays_and_a_prefix_that_is_reused(events: list[Event]) -> None:
    started = [e for e in events if isinstance(e, Started)]
    finished = [e for e in events if isinstance(e, Finished)]
    assert len(started) == len(finished) >= 3
    assert started[0].depth == 0 and finished[0].usage.acceptance_rate is None
    later = [e.usage for e in finished[1:]]
    assert any((usage.acceptance_rate or 0) > 0.6 for usage in later)
    assert all(usage.cached_tokens >= 16 for usage in later)
    base, best = finished[0].usage.decode_tokens_per_s, max(u.decode_tokens_per_s or 0 for u in later)
    assert base is not None and best > 1.2 * base


def test_every_reply_ended_by_itself(events: list[Event]) -> None:
    assert [e.reason for e in events if isinstance(e, Finished)] == ["eos"] * sum(
        isinstance(e, Started) for e in events
    )
    assert not [e for e in events if isinstance(e, Failed)]


def test_nothing_in_it_is_personal(events: list[Event]) -> None:
    said = {e.question for e in events if isinstance(e, Started)}
    assert None not in said
    loaded = events[0]
    assert isinstance(loaded, Loaded) and (loaded.target.name, loaded.device) == ("bundled", "cpu")


def test_the_texts_of_its_cycles_are_its_replies(events: list[Event]) -> None:
    for end in (e for e in events if isinstance(e, Finished)):
        cycles = [e for e in events if isinstance(e, Cycle) and e.request == end.request]
        assert "".join(token.text for cycle in cycles for token in cycle.emitted) == end.text
