"""The wall clock goes backwards, as after a correction or a flight: no figure is negative, nothing hangs."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import httpx
import pytest
import tiny
from serving import ASK, serving

import engine as package
from engine import Engine, Recorder, Request, read_recording
from engine.events import Cycle, Finished, Prefilled
from engine.metrics import Metrics

STAMPS = {"server/openai_shapes.py", "models/remembered.py"}
"""When a reply was made, which nobody subtracts; and the age of a file that outlives a start: the future
is not used."""


@pytest.fixture(autouse=True)
def backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour back with every look."""
    start = time.time()
    hours = itertools.count()
    monkeypatch.setattr(time, "time", lambda: start - 3600 * next(hours))


def test_figures_of_a_reply(pair: Engine, tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.submitted(0)
    with Recorder(tmp_path / "run.jsonl") as recorder:
        for event in pair.stream(Request(prompt_ids=tiny.prompt(20, 1), max_tokens=20)):
            recorder.write(event)
            metrics.feed(0, event)
            if isinstance(event, Cycle):
                assert min(event.draft_seconds, event.verify_seconds, event.seconds) >= 0
            elif isinstance(event, Prefilled):
                assert event.seconds > 0
            elif isinstance(event, Finished):
                usage = event.usage
                assert usage.ttft_s is not None and usage.ttft_s > 0 and usage.decode_s > 0
                assert usage.decode_tokens_per_s is not None and usage.decode_tokens_per_s > 0
    times = [t for t, _ in read_recording(tmp_path / "run.jsonl")]
    assert times == sorted(times) and times[0] >= 0
    sums = re.findall(r"_sum (\S+)", metrics.text())
    assert sums and all(float(value) >= 0 for value in sums)


def test_a_server_answers_within_its_limits(bundled: Engine) -> None:
    with serving(bundled, time_limit=60) as served, httpx.Client(base_url=served.url, timeout=60) as http:
        assert http.post("/generate", json=ASK).json()["finish_reason"]
        body = {"messages": ASK["messages"], "max_tokens": 4}
        first, second = (http.post("/v1/chat/completions", json=body).json()["created"] for _ in range(2))
        assert second < first, "a stamp tells the time as it is told"


def test_no_duration_is_taken_from_the_wall_clock() -> None:
    root = Path(package.__file__).parent
    wall = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if re.search(r"\btime\.time\(|from time import .*\btime\b", path.read_text(encoding="utf-8"))
    }
    assert wall <= STAMPS
