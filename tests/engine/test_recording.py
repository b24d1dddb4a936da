"""Recordings come back as they were, with their times; a crash costs a line, and anything else is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import BadRecording, Recorder, read_recording
from engine.events import DeviceMemory, Event, Failed, Loading, MemoryRead, Preempted

EVENTS: tuple[Event, ...] = (
    Loading("reading the target", 1, 2),
    MemoryRead(DeviceMemory(3, 2, 1)),
    Preempted(1),
    Failed(1, "OutOfMemory", "née 😀"),
)


def record(path: Path, times: Iterator[float] | None = None) -> Path:
    clock = times or iter((100.0, 100.5, 101.25, 103.0))
    with Recorder(path, clock=lambda: next(clock)) as recorder:
        for event in EVENTS:
            recorder.write(event)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BadRecording) as caught:
        read_recording(path)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def test_a_recording_comes_back_with_its_times(tmp_path: Path) -> None:
    read = read_recording(record(tmp_path / "r.jsonl"))
    assert [event for _, event in read] == list(EVENTS)
    assert [at for at, _ in read] == [0.0, 0.5, 1.25, 3.0]


def test_every_line_is_in_the_file_at_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r.jsonl")
    for count, event in enumerate(EVENTS, 1):
        recorder.write(event)
        assert len(read_recording(tmp_path / "r.jsonl")) == count
    recorder.close()


def test_the_first_line_says_what_the_file_is(tmp_path: Path) -> None:
    first, *rest = record(tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["helix_recording"] == 1 and len(rest) == len(EVENTS)


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\r\nb", "\x1c\x00\ud7ff"])
def test_text_that_looks_like_a_line_end_is_kept(tmp_path: Path, text: str) -> None:
    with Recorder(tmp_path / "r.jsonl") as recorder:
        recorder.write(Failed(1, "HelixError", text))
        recorder.write(Preempted(1))
    assert [event for _, event in read_recording(tmp_path / "r.jsonl")] == [
        Failed(1, "HelixError", text),
        Preempted(1),
    ]


def test_a_last_line_cut_anywhere_is_dropped(tmp_path: Path) -> None:
    whole = record(tmp_path / "r.jsonl").read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    cut = tmp_path / "cut.jsonl"
    # Every cut, in the middle of a character too.
    for length in range(start, len(whole) - 1):
        cut.write_bytes(whole[:length])
        assert [event for _, event in read_recording(cut)] == list(EVENTS[:3])


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "5", '{"t": 1}', '{"t": 1, "event": "party"}', '{"event": "preempted", "request": 1}', '{"t": "x"}'],
)
def test_a_damaged_line_in_the_middle_is_told(tmp_path: Path, line: str) -> None:
    path = record(tmp_path / "r.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[2] = line
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert refusal(path).startswith(f"Line 3 of {path} is damaged")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"hello\n", b"{}\n", b"[1]\n", b'"x"\n', b"\x89PNG\r\n\x1a\n"]
)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    assert str(path) in refusal(path)


def test_a_recording_of_a_newer_helix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"helix_recording": 2}\n{"t": 0, "event": "hologram"}\n')
    assert "newer Helix" in refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "check the file's name" in refusal(tmp_path / "none")
    refusal(tmp_path)
    with pytest.raises(BadRecording, match="choose another file"):
        Recorder(tmp_path / "no" / "folder")
    with pytest.raises(BadRecording, match="choose another file"):
        Recorder(tmp_path)


def test_a_gzipped_recording_is_read_as_it_is(tmp_path: Path) -> None:
    plain = record(tmp_path / "r.jsonl")
    packed = tmp_path / "r.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_recording(packed) == read_recording(plain)
    packed.write_bytes(packed.read_bytes()[:-20])
    assert "damaged or cut short" in refusal(packed)
    packed.write_bytes(gzip.compress(b"something else"))
    assert "not a Helix recording" in refusal(packed)
