"""`helix-chat bench`: its wrong options, its tables at every width, its plot, its files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

import engine.bench
from engine.bench import SECTIONS, Environment, Report, Result, Row, Settings, Spread
from engine.bench import Progress as At
from helix_tui.cli import main
from helix_tui.render import benchmark
from helix_tui.render.plot import Line, plot

MODEL = {
    "name": "a model", "architecture": "llama", "parameters": 6_500_000, "dtype": "int8", "bytes": 7_000_000,
    "layers": 6, "context": 512, "attention": "fused",
}  # fmt: skip
ENVIRONMENT = Environment(
    "A Processor", ("avx2",), 2, 2, 2**34, 0.1, "Linux", "3.11", {"torch": "2.13.0"}, "cpu (A Processor)", MODEL, None,
    ("Acceptance is SET to 0.72.",),
)  # fmt: skip
ROWS = [
    Row("plain / rival", "tokens/s", Spread(1234.5, 1000, 1300), Spread(600, 590, 610), Spread(2.06, 1.9, 2.1), 5),
    Row("turn two", "ms", Spread(9, 9, 9), Spread(4.5, 4.4, 4.6), Spread(0.5, 0.48, 0.52), 5, "a remark of its own"),
    Row("as fast", "ms", Spread(1, 1, 1), Spread(1, 1, 1), Spread(1, 1, 1), 5),
    Row("llama.cpp", note="Not installed; to compare, install it."),
]
DEPTHS = [
    Row("depth", "tokens/s", Spread(10, 9, 11), Spread(8, 8, 8), Spread(r, r, r), 3, "", r + 0.1, "warm", depth)
    for depth, r in ((1, 1.2), (4, 1.6), (8, 0.9))
]


def shown(renderable: RenderableType, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 160])
def test_a_table_fits(width: int) -> None:
    lines = shown(benchmark.section(Result(SECTIONS["rivals"], ROWS), width), width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for piece in ("1,234 tok/s", "600 tok/s", "▲ 2.06x", "▼ 0.50x", "= 1.00x", "(1.90–2.10)"):
        assert piece in text, piece
    assert ("(1,000–1,300)" in text) == (width == 160)
    for word in ("remark", "installed;", "rival"):
        assert word in text


@pytest.mark.parametrize("width", [80, 160])
def test_depths_are_plotted_beside_what_was_expected(width: int) -> None:
    lines = shown(benchmark.section(Result(SECTIONS["depth"], DEPTHS), width), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "expected" in text and "1.30x" in text
    assert text.count("●") == 4 and "┄" in text and "● warm" in text


def test_a_plot_puts_larger_values_higher_and_later_ones_right() -> None:
    lines = plot([Line("a", [(0, 1.0), (10, 3.0)])], 40, 9).plain.splitlines()
    (top, right), (bottom, left) = [(i, line.index("●")) for i, line in enumerate(lines[:9]) if "●" in line]
    assert top < bottom and left < right
    assert plot([], 40).plain == ""


def test_two_series_differ_without_colour() -> None:
    text = plot([Line("a", [(0, 1.2)]), Line("b", [(1, 1.4)])], 40).plain
    assert "● a" in text and "◆ b" in text


def test_one_point_at_the_level_is_no_trouble() -> None:
    assert "●" in plot([Line("a", [(4, 1.0)])], 30).plain


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_header_names_machine_versions_and_warnings(width: int) -> None:
    lines = shown(benchmark.header(ENVIRONMENT, 5), width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for piece in (
        "A Processor",
        "2 threads",
        "torch 2.13.0",
        "int8",
        "draft none",
        "SET to 0.72",
        "middle of 5 rounds",
    ):
        assert piece in text, piece


class Stub:
    """In place of the measurements."""

    complete = True
    settings: Settings

    def __init__(self, settings: Settings, watch: Callable[[At], None]) -> None:
        Stub.settings = settings
        watch(At(0, 1, "Loading", "reading the target"))
        self.report = Report(ENVIRONMENT, settings)

    def run(self, done: Callable[[Result], None]) -> Report:
        result = Result(SECTIONS["rivals"], ROWS)
        self.report.results.append(result)
        done(result)
        self.report.complete = self.complete
        return self.report

    def __enter__(self) -> Stub:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> type[Stub]:
    monkeypatch.setattr(engine.bench, "Bench", Stub, raising=False)
    monkeypatch.setattr("helix_tui.bench.Bench", Stub)
    monkeypatch.setattr(Stub, "complete", True)
    return Stub


def test_options_reach_the_settings(stub: type[Stub], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    words = ["--section", "depth", "--section", "rivals", "--runs", "3", "--shape", "tiny", "--alpha", "0.8"]
    assert main(["bench", *words, "--dtype", "int8", "--json", str(file)]) == 0
    expected = Settings(sections=("depth", "rivals"), runs=3, shape="tiny", alpha=0.8, dtype="int8")
    assert stub.settings == expected
    out, err = capsys.readouterr()
    assert "Against transformers" in out and "▲ 2.06x" in out and err == ""
    saved = json.loads(file.read_text(encoding="utf-8"))
    assert saved["complete"] and saved["sections"][0]["rows"][0]["ratio"]["median"] == 2.06


def test_ctrl_c_prints_and_saves_what_there_is(
    stub: type[Stub], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(stub, "complete", False)
    file = tmp_path / "bench.json"
    assert main(["bench", "--json", str(file)]) == 130
    out = capsys.readouterr().out
    assert "▲ 2.06x" in out and "Interrupted" in out
    assert json.loads(file.read_text(encoding="utf-8"))["complete"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--section", "depht"], 'There is no section "depht"; did you mean depth?'),
        (["--section", "x"], "there are rivals, prompts, depth"),
        (["--alpha", "2", "--shape", "tiny"], "alpha is 2, but it must be from 0 to 1."),
        (["--alpha", "0.5"], "give a shape with it."),
        (["--shape", "round"], 'There is no shape "round"'),
        (["--runs", "0"], "runs is 0, but it must be 1 or more."),
        (["--json", "no/such/folder/x.json"], "Cannot write no"),
    ],
)
def test_a_bad_option_is_one_sentence(
    stub: type[Stub], capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["bench", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.startswith("helix-chat: ") and err.count("\n") == 1
