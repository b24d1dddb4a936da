"""Shared by the app's tests: nothing of the person's environment, recordings to play, and a server to attach to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from making import cycle, finished, loaded, started
from scripted import ScriptedEngine
from surroundings import nobody

from engine import Recorder, Request, Speculation
from engine.events import Loading
from helix_tui.remote.http import Server

if TYPE_CHECKING:
    from serving import Served

    from engine import Engine


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody(monkeypatch, tmp_path)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A chat of one reply, a tenth of a second between events."""
    engine, path, now = ScriptedEngine(), tmp_path / "chat.jsonl", [0.0]

    def clock() -> float:
        now[0] += 0.1
        return now[0]

    with Recorder(path, clock) as recorder:
        recorder.write(Loading("target", 1, 2))
        recorder.write(engine.loaded)
        engine.submit(
            Request(messages=[{"role": "user", "content": "Tell me a story"}], speculation=Speculation(depth=3))
        )
        while engine.busy:
            for event in engine.step():
                recorder.write(event)
    return path


@pytest.fixture
def halting(tmp_path: Path) -> Path:
    """A reply whose fifth cycle comes a minute after the fourth."""
    path = tmp_path / "halting.jsonl"
    times = iter([0.0, 0.1, *(0.2 + i / 100 for i in range(4)), *(60.0 + i for i in range(4))])
    with Recorder(path, lambda: next(times)) as recorder:
        for event in (loaded(), started(), *(cycle("ab", kept=2, index=i) for i in range(7)), finished()):
            recorder.write(event)
    return path


@pytest.fixture(scope="module")
def served(bundled: Engine) -> Iterator[Served]:
    from serving import serving

    with serving(bundled, api_key="key of the tests") as server:
        yield server


@pytest.fixture
def server(served: Served) -> Server:
    return Server(served.url, "key of the tests")
