"""Events and recordings of any kind: an event, or ValueError; a recording, or one sentence that says why not."""

from __future__ import annotations

import copy
import gzip
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from fuzz import anything, fuzz, is_sentence, nested
from hypothesis import given
from hypothesis import strategies as st

from engine import BadRecording, Recorder, read_recording
from engine.events import EVENTS, Cycle, Event, Failed, Preempted, from_json

ASSETS = Path(__file__).parents[2] / "assets"
DEMO = next(ASSETS.glob("*.jsonl.gz"))


@pytest.fixture(scope="module")
def recorded() -> list[dict[str, Any]]:
    """One event of every kind that the demo has."""
    kinds: dict[str, dict[str, Any]] = {}
    for _, event in read_recording(DEMO):
        kinds[event.kind] = json.loads(json.dumps(event.to_json()))
        if isinstance(event, Cycle) and event.drafted:
            kinds["drafted"] = kinds["cycle"]
    return list(kinds.values())


def sound(event: Event) -> bool:
    """Whether it is one that could have been written: the same again by way of JSON."""
    return from_json(json.loads(json.dumps(event.to_json()))) == event


@fuzz(200)
@given(nested() | anything | st.fixed_dictionaries({"event": st.sampled_from(list(EVENTS))}))
def test_anything_is_an_event_or_a_value_error(data: Any) -> None:
    try:
        event = from_json(data)
    except ValueError:
        return
    assert sound(event)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested JSON."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


@fuzz(200)
@given(st.data())
def test_an_event_changed_anywhere_is_sound_or_refused(recorded: list[dict[str, Any]], data: st.DataObject) -> None:
    event = copy.deepcopy(data.draw(st.sampled_from(recorded)))
    *above, last = data.draw(st.sampled_from(places(event)))
    inner = event
    for key in above:
        inner = inner[key]
    if isinstance(inner, dict) and data.draw(st.booleans()):
        del inner[last]
    else:
        inner[last] = data.draw(anything)
    try:
        made = from_json(event)
    except ValueError:
        return
    assert sound(made)


@pytest.mark.parametrize("data", [None, [], 5, {"event": []}, {"event": {}}, {"event": "preempted", "request": "1"}])
def test_no_other_error_comes_out_of_from_json(data: Any) -> None:
    with pytest.raises(ValueError):
        from_json(data)


def test_fields_of_a_newer_helix_are_left_out_and_those_of_an_older_one_have_defaults() -> None:
    assert from_json({"event": "preempted", "request": 1, "mood": "good"}) == Preempted(1)
    assert from_json({"event": "loading", "stage": "reading"}).to_json()["total"] == 0


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(DEMO.read_bytes()).splitlines(keepends=True)[:25]


def read(path: Path) -> list[tuple[float, Event]] | None:
    """The recording, or None where it is refused properly."""
    try:
        return read_recording(path)
    except BadRecording as error:
        assert is_sentence(str(error))
        return None


@fuzz(150)
@given(st.data())
def test_a_recording_cut_anywhere_or_with_noise_anywhere(tmp_path: Path, data: st.DataObject) -> None:
    path, kept = tmp_path / "r.jsonl", lines(DEMO)
    noise = data.draw(st.binary(max_size=60) | st.sampled_from([b"\n", b"[" * 100_000, b"9" * 5000, b"\0\0\0{"]))
    at = data.draw(st.integers(0, len(kept) - 1))
    how = data.draw(st.sampled_from(["cut", "insert", "replace", "overwrite"]))
    if how == "cut":
        whole = b"".join(kept[: at + 1])
        path.write_bytes(whole[: len(whole) - data.draw(st.integers(0, len(kept[at]) - 1))])
    elif how == "overwrite":
        whole = bytearray(b"".join(kept))
        start = data.draw(st.integers(0, len(whole) - 1))
        whole[start : start + len(noise)] = noise
        path.write_bytes(bytes(whole))
    else:
        kept[at : at + (how == "replace")] = [noise, b"\n"]
        path.write_bytes(b"".join(kept))
    events = read(path)
    if how == "cut" and at:
        # All lines that are whole come back, whatever is left of the last.
        assert events is not None and len(events) in (at - 1, at)
    for _, event in events or ():
        assert sound(event)


def test_a_zipped_recording_cut_or_changed_anywhere(tmp_path: Path) -> None:
    path, rng = tmp_path / "r.gz", random.Random(1)
    packed = gzip.compress(b"".join(lines(DEMO)), mtime=0)
    whole = len(lines(DEMO)) - 1
    for _ in range(40):
        at = rng.randrange(2, len(packed))
        path.write_bytes(packed[:at])
        assert read(path) is None
        changed = bytearray(packed)
        changed[at] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(changed))
        events = read(path)
        assert events is None or len(events) == whole


@pytest.mark.parametrize("version", ["true", "0", "-1", "1.0", '"1"', "null", "[]", "1e999", "NaN", "9" * 5000])
def test_an_odd_version_is_refused(tmp_path: Path, version: str) -> None:
    (tmp_path / "r").write_text(f'{{"helix_recording": {version}}}\n')
    assert read(tmp_path / "r") is None


@pytest.mark.parametrize("time", ["NaN", "Infinity", "-Infinity", "1e300", "-1", "true", '"1"', "9" * 400])
def test_a_time_that_is_none_is_a_damaged_line(tmp_path: Path, time: str) -> None:
    """An endless one once killed the replay's thread."""
    event = '"event": "preempted", "request": 1}\n'
    (tmp_path / "r").write_text(f'{{"helix_recording": 1}}\n{{"t": {time}, {event}{{"t": 1, {event}')
    assert read(tmp_path / "r") is None


def test_a_line_nested_too_deep_is_a_damaged_line(tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"helix_recording": 1}\n' + "[" * 200_000 + "\n\n")
    assert read(tmp_path / "r") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadRecording, match="is a pipe"):
        read_recording(tmp_path / "pipe")
    with pytest.raises(BadRecording, match="choose another file"):
        Recorder(tmp_path / "pipe")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_that_never_ends_is_refused() -> None:
    assert read(Path("/dev/zero")) is None
    assert read(Path("/dev/null")) is None


def test_half_a_surrogate_pair_is_recorded_and_comes_back(tmp_path: Path) -> None:
    """A server may send one; recording it once ended in an error."""
    with Recorder(tmp_path / "r") as recorder:
        recorder.write(Failed(1, "HelixError", "half \ud800 of 🦉"))
    assert read_recording(tmp_path / "r")[0][1] == Failed(1, "HelixError", "half \ud800 of 🦉")
