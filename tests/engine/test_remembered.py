"""Timings from an earlier start: found again for the same pair, for no other, and never in the way."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import tiny
import torch

from engine import Engine, Request, Speculation
from engine.costs import Costs
from engine.models import remembered, timing
from engine.models.paged import PagedModel
from engine.models.remembered import Timings, identity, kept_timings, recall, remember
from engine.models.selfcheck import attach

TIMINGS = Timings({1: 0.001, 64: 0.01}, {1: 0.0002})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HELIX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """What a forward takes by its rows, on a machine that others leave alone."""
    said = {rows: 0.001 + rows / 1e5 for rows in range(1, 65)}
    monkeypatch.setattr(timing, "_once", lambda model, table, rows, wait, context: said[rows])
    return said


def load(models: tiny.Models) -> Engine:
    return Engine.load(models.target("llama"), models.near("llama"), device="cpu")


def test_a_second_start_measures_nothing(models: tiny.Models, monkeypatch: pytest.MonkeyPatch) -> None:
    with load(models) as engine:
        assert engine.loaded.timings == "measured"
    monkeypatch.setattr(timing, "measure", lambda *_: pytest.fail("measured again"))
    with load(models) as engine:
        assert engine.loaded.timings == "remembered"
        request = Request(prompt_ids=tiny.prompt(9, 1), max_tokens=8, speculation=Speculation("auto"))
        assert len(engine.generate(request).token_ids) == 8


def test_what_was_timed_on_a_busy_machine_is_measured_again(models: tiny.Models, seconds: dict[int, float]) -> None:
    quiet = dict(seconds)
    seconds.update({rows: 3 * quiet[rows] for rows in range(2, 65)})
    with load(models) as engine:
        assert engine.loaded.timings == "measured"
    seconds.update(quiet)
    for said in ("measured", "remembered"):
        with load(models) as engine:
            assert engine.loaded.timings == said


def test_timings_without_the_rows_that_are_looked_at_are_measured_again() -> None:
    model = attach(tiny.build("llama", attn_implementation="eager"), 160).paged(8)
    looked = (model, model, lambda: None, 160)
    assert not timing.still_true(Timings({4: 0.001}, {1: 0.001}), *looked)
    assert not timing.still_true(Timings({1: 0.001, 64: 0.01}, {1: 0.001}), *looked)
    assert not timing.still_true(Timings({1: 0.001, 4: 0.001}, {4: 0.001}), *looked)
    assert not timing.still_true(Timings({1: 0.001, 4: 0.001}, {1: 0.0002}), *looked)
    assert timing.still_true(Timings({1: 0.001, 4: 0.001}, {1: 0.001}), *looked)


def test_another_pair_device_context_or_number_of_threads_has_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def model(seed: int, dtype: torch.dtype = torch.float32) -> PagedModel:
        return attach(tiny.build("llama", seed=seed, attn_implementation="eager").to(dtype), 160).paged(8)

    target, draft = model(0), model(1)
    key = identity(target, draft, "cpu", 160)
    assert identity(model(0), model(1), "cpu", 160) == key, "the same pair, loaded again"
    others = [
        identity(target, None, "cpu", 160),
        identity(target, model(2), "cpu", 160),
        identity(target, model(1, torch.bfloat16), "cpu", 160),
        identity(target, draft, "another cpu", 160),
        identity(target, draft, "cpu", 96),
    ]
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    others.append(identity(target, draft, "cpu", 160))
    assert len({key, *others}) == 7


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"k": 1}', '{"k": {"at": "now"}}', '{"k": {"at": 1e99, "verify": {"1": 1}, "draft": {}}}'],
)
def test_garbage_is_as_good_as_nothing(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "timings.json").write_text(content)
    assert recall("k") is None
    remember("k", TIMINGS)
    assert recall("k") == TIMINGS


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_times_that_cannot_be_are_not_believed(seconds: float) -> None:
    remember("k", Timings({1: seconds}, {}))
    assert recall("k") is None


def test_an_unwritable_folder_is_no_reason_to_fail(folder: Path, models: tiny.Models) -> None:
    folder.write_text("a file where the folder should be")
    with load(models) as engine:
        assert engine.loaded.timings == "measured"
    assert folder.read_text() == "a file where the folder should be"


def test_the_file_stays_small_and_forgets_the_old(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(remembered.MOST + 5):
        monkeypatch.setattr(time, "time", lambda number=number: 1e9 + number)
        remember(str(number), TIMINGS)
    assert kept_timings() == (folder / "timings.json", remembered.MOST)
    assert recall("0") is None
    assert recall(str(remembered.MOST + 4)) == TIMINGS
    monkeypatch.setattr(time, "time", lambda: 1e9 + remembered.AGE + remembered.MOST + 4)
    assert recall(str(remembered.MOST + 4)) is None
    assert [path.name for path in folder.iterdir()] == ["timings.json"], "nothing partial is left"


def test_an_empty_name_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIX_CACHE", "")
    remember("k", TIMINGS)
    assert recall("k") is None
    assert kept_timings() == (None, 0)


def test_cycles_that_disagree_are_noticed() -> None:
    costs = Costs({1: 1.0, 8: 1.2}, 0.2)
    for _ in range(50):
        costs.observe(5, 1.7, 4, 1.4)
    assert not costs.drifted, "a busier machine, both alike"
    for _ in range(50):
        costs.observe(5, 1.7, 4, 0.4)
    assert costs.drifted, "the draft is far cheaper than it was"
    costs = Costs({1: 1.0, 8: 1.2}, 0.2)
    for _ in range(50):
        costs.observe(5, 3.5, 4, 2.4)
    assert costs.drifted


def test_what_was_wrong_is_measured_at_the_next_start(models: tiny.Models) -> None:
    with load(models) as engine:
        assert engine._timed is not None
        for _ in range(50):
            engine._timed.costs.observe(1, 1e3, 0, 0.0)
    data = json.loads((remembered.place() or Path()).read_text())
    assert data == {}
    with load(models) as engine:
        assert engine.loaded.timings == "measured"


def test_a_time_in_quotes_does_not_stop_the_next(folder: Path) -> None:
    remember("k", TIMINGS)
    path = folder / "timings.json"
    entry = json.loads(path.read_text())["k"]
    path.write_text(json.dumps({"k": {**entry, "at": str(entry["at"])}}))
    remember("other", TIMINGS)
    assert recall("other") == recall("k") == TIMINGS
