"""The benchmark's measurements, on models of a few thousand weights. No test looks at how long anything took."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import InvalidRequest
from engine.bench import SECTIONS, Bench, Progress, Report, Result, Row, Settings, Spread, check_writable, llamacpp
from engine.bench.lab import Lab
from engine.bench.measure import interleave, stream, timed
from engine.bench.report import alone, compare
from engine.bench.sections import depth as depth_section
from engine.bench.sections import prefix, utilisation
from engine.bench.sections.bandwidth import weight_bytes
from engine.bench.trace import Trace, acceptance, speed


class Clock:
    """Moves only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_arms_take_turns_and_none_always_goes_first() -> None:
    order: list[str] = []

    def arm(name: str) -> Any:
        return lambda: order.append(name) or len(order)

    found = interleave({"a": arm("a"), "b": arm("b"), "c": arm("c")}, 3, warmup=1)
    assert "".join(order) == "abc" + "cba" + "abc" + "cba"
    assert found == {"a": [6, 7, 12], "b": [5, 8, 11], "c": [4, 9, 10]}


def test_a_tick_comes_before_each_run() -> None:
    ticks: list[str] = []
    interleave({"a": lambda: 1, "b": lambda: 2}, 1, warmup=0, tick=ticks.append)
    assert ticks == ["a", "b"]


def test_what_is_timed_is_the_run_alone() -> None:
    clock = Clock()

    def run() -> None:
        clock.now += 2.5

    arm = timed(run, clock)
    clock.now = 100
    assert [arm(), arm()] == [2.5, 2.5]


def test_a_machine_that_slows_down_does_not_change_the_ratio() -> None:
    clock, pace = Clock(), iter([1, 1, 2, 2, 8, 8, 3, 3])

    def work(amount: float) -> Any:
        def run() -> None:
            clock.now += amount * next(pace)

        return timed(run, clock)

    found = interleave({"ours": work(1), "theirs": work(3)}, 3, warmup=1)
    row = compare("step", "ms", found["ours"], found["theirs"])
    assert row.ours == Spread(3, 2, 8)
    assert row.ratio == Spread(3, 3, 3)


def test_the_middle_of_the_runs_is_shown_with_both_ends() -> None:
    assert Spread.of([5, 1, 100]) == Spread(5, 1, 100)
    assert Spread.of(iter([1.0, 3.0])) == Spread(2, 1, 3)
    assert alone("x", "%", [4.0, 2.0, 3.0]).runs == 3


def test_a_ratio_above_one_is_a_win_whatever_the_unit() -> None:
    assert compare("a", "tokens/s", [20], [10]).ratio == Spread(2, 2, 2)
    assert compare("a", "ms", [20], [10]).ratio == Spread(0.5, 0.5, 0.5)
    assert compare("ended at once", "tokens/s", [0], [10]).ratio is None


def test_streaming_counts_bytes() -> None:
    assert all(rate > 0 for rate, _ in zip(stream(torch.device("cpu"), lambda: None, 2**16), range(3), strict=False))


def test_speed_leaves_out_the_step_of_the_prefill() -> None:
    trace = Trace(start=0.0, ids=[1, 2, 3, 4, 5], stamps=[2.0, 3.0, 4.0], counts=[1, 3, 1])
    assert (trace.first, trace.later, trace.decoding, trace.step) == (2.0, 4, 2.0, 1.0)
    assert speed([trace, trace]) == 2.0
    assert speed([Trace(start=0.0, ids=[1], stamps=[1.0], counts=[1])]) == 0.0
    assert acceptance([trace]) is None


def test_the_formula_knows_its_ends() -> None:
    verify = {1: 1.0, 5: 1.2}
    assert depth_section.expected(1.0, 4, verify, 0.05) == pytest.approx(5 / 1.4)
    assert depth_section.expected(0.0, 4, verify, 0.05) == pytest.approx(1 / 1.4)
    # notes: alpha 0.8 and c 0.05 give 3.09 at depth 8 where verification is flat.
    assert depth_section.expected(0.8, 8, {1: 1.0, 9: 1.0}, 0.05) == pytest.approx(3.09, abs=0.01)


def test_most_of_the_paged_memory_holds_tokens() -> None:
    for seed in range(5):
        end, growing, contiguous = utilisation.simulate(seed)
        assert end > 0.96 and growing > 0.95 and contiguous < 0.4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sections": ("depht",)}, 'no section "depht"; did you mean depth?'),
        ({"sections": ("x",)}, "there are rivals, prompts"),
        ({"shape": "huge"}, 'no shape "huge"; use tiny or tinyllama.'),
        ({"alpha": 0.5}, "give a shape with it"),
        ({"alpha": 1.5, "shape": "tiny"}, "alpha is 1.5, but it must be from 0 to 1."),
        ({"runs": 0}, "runs is 0"),
        ({"tokens": 1}, "tokens is 1"),
        ({"shape": "tiny", "target": "a/b"}, "either a shape, or a target and a draft"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said.replace(".", r"\.").replace("?", r"\?")):
        Settings(**settings)


def test_sections_come_once_in_the_order_of_the_catalogue() -> None:
    assert Settings(sections=("depth", "rivals", "depth")).chosen == ("rivals", "depth")
    assert Settings().chosen == tuple(SECTIONS)


@pytest.fixture(scope="module")
def quick() -> Iterator[tuple[Report, list[Progress], list[str]]]:
    """Everything, at the smallest scale, with the acceptance set."""
    seen: list[Progress] = []
    done: list[str] = []
    with Bench(Settings(shape="tiny", alpha=0.7, runs=1, tokens=8, quick=True, device="cpu"), seen.append) as bench:
        yield bench.run(lambda result: done.append(result.section.name)), seen, done


def test_every_section_has_rows(quick: tuple[Report, list[Progress], list[str]]) -> None:
    report, _, done = quick
    assert report.complete and done == list(SECTIONS)
    for result in report.results:
        assert result.rows, result.section.name
        if result.section.name != "prompts":
            assert any(row.ours for row in result.rows), result.section.name
        for row in result.rows:
            figures = [s for s in (row.ours, row.theirs, row.ratio) if s]
            assert all(math.isfinite(v) for s in figures for v in (s.median, s.low, s.high)), row
            assert row.ours or row.note


def test_progress_tells_section_and_arm(quick: tuple[Report, list[Progress], list[str]]) -> None:
    _, seen, _ = quick
    assert seen[0].section == 0 and seen[-1].section == len(SECTIONS)
    assert {"generate", "assisted", "plain"} <= {at.doing for at in seen}


def test_json_is_the_rows_and_the_machine(quick: tuple[Report, list[Progress], list[str]], tmp_path: Path) -> None:
    report, _, _ = quick
    report.save(tmp_path / "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert set(found) == {"format", "complete", "environment", "settings", "sections"}
    assert found["environment"]["threads"] == torch.get_num_threads()
    assert found["environment"]["target"]["dtype"] == "float32"
    assert any("SET to 0.7" in note for note in found["environment"]["notes"])
    assert found["settings"]["alpha"] == 0.7
    assert [s["name"] for s in found["sections"]] == list(SECTIONS)
    row = found["sections"][0]["rows"][0]
    assert set(row) == {
        "name", "unit", "ours", "theirs", "ratio", "runs", "note", "expected", "series", "x",
    }  # fmt: skip
    assert set(row["ours"]) == {"median", "low", "high"} and row["runs"] == 1


def test_the_tokens_are_those_of_transformers(quick: tuple[Report, list[Progress], list[str]]) -> None:
    report, _, _ = quick
    rows = {row.name: row for row in report.results[0].rows}
    for name in ("decode: plain / transformers float32 generate", "decode: depth 4 / transformers float32 assisted"):
        assert rows[name].note == "all 8 token ids equal"


def test_without_llama_cpp_there_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp, "find_spec", lambda name: None)
    assert llamacpp.missing().startswith("Not installed") and "helix-chat[bench]" in llamacpp.missing()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    settings = Settings(shape="tiny", alpha=0.72, tokens=120, device="cpu")
    lab = Lab(settings, lambda event: None, lambda doing: None)
    yield lab
    lab.close()


def test_a_set_acceptance_is_had_and_the_text_is_the_target_s(lab: Lab) -> None:
    prompts = [lab.random(20, seed) for seed in range(6)]
    lab.learn(prompts)
    plain = [lab.ask(lab.subject(), ids, 0) for ids in prompts]
    drafted = [lab.ask(lab.subject(), ids, 4) for ids in prompts for _ in range(2)]
    assert [t.ids for t in drafted[::2]] == [t.ids for t in plain] == [t.ids for t in drafted[1::2]]
    tried = sum(min(c.accepted + 1, len(c.drafted)) for t in drafted for c in t.cycles)
    kept = acceptance(drafted)
    assert tried > 1000 and kept is not None
    # Four standard deviations of a coin tossed that often.
    assert abs(kept - 0.72) < 4 * math.sqrt(0.72 * 0.28 / tried)


def test_a_set_acceptance_pays_for_the_draft(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lab.pair.draft is not None
    calls = []
    forward = lab.pair.draft.forward
    monkeypatch.setattr(lab.pair.draft, "forward", lambda spans: calls.append(1) or forward(spans))
    trace = lab.ask(lab.subject(), lab.random(20, 0), 4, 40)
    assert len(calls) == trace.drafted > 0


def test_plain_decoding_reads_all_weights_but_the_embedding(lab: Lab) -> None:
    target = lab.pair.target
    weights = sum(p.numel() * 4 for p in target.model.parameters() if p.dim() == 2)
    assert weight_bytes(target) == weights - target.vocab * target.config.hidden_size * 4


def test_a_section_that_cannot_run_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(lab: Lab) -> Iterator[Row]:
        yield alone("one", "x", [1.0])
        raise InvalidRequest("It cannot be.")

    monkeypatch.setattr(utilisation, "measure", refuse)
    with Bench(Settings(shape="tiny", sections=("utilisation",), device="cpu")) as bench:
        report = bench.run()
    assert report.complete
    assert [(row.name, row.note) for row in report.results[0].rows] == [("one", ""), ("not measured", "It cannot be.")]


def test_ctrl_c_keeps_the_rows_so_far(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(lab: Lab) -> Iterator[Row]:
        yield alone("one", "x", [1.0])
        raise KeyboardInterrupt

    monkeypatch.setattr(prefix, "measure", interrupted)
    done: list[Result] = []
    with Bench(Settings(shape="tiny", sections=("prefix", "utilisation"), device="cpu")) as bench:
        report = bench.run(done.append)
    assert not report.complete
    assert [result.section.name for result in done] == ["prefix"] and done[0].rows[0].name == "one"
    report.save(tmp_path / "x")
    assert json.loads((tmp_path / "x").read_text())["complete"] is False


def test_a_place_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.json")
    for path in (tmp_path, tmp_path / "no" / "x.json"):
        with pytest.raises(InvalidRequest, match="Cannot write"):
            check_writable(path)
