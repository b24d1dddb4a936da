"""A benchmark's report as tables and a plot: from figures to renderables, without a word about where they go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.bench import Environment, Result, Row, Spread

from .plot import Line, plot
from .units import size

WIDE = 110
"""Columns from which both ends of every figure are shown, not only those of the ratio."""
SHORT = {"tokens/s": "tok/s"}
CLEAR = 0.02
"""A ratio this close to 1 is neither won nor lost."""


def header(environment: Environment, runs: int) -> RenderableType:
    """The machine, the versions and the models; warnings last."""
    e = environment
    versions = ", ".join(f"{name} {version}" for name, version in e.versions.items())
    lines = [
        ("machine", f"{e.processor}; {e.cores} cores, {e.threads} threads; {size(e.memory)}; {' '.join(e.features)}"),
        ("system", f"{e.platform}, Python {e.python}" + ("" if e.load is None else f"; load {e.load:.1f} before")),
        ("versions", versions),
        ("device", e.device),
        ("target", _model(e.target)),
        ("draft", _model(e.draft) if e.draft else "none"),
        ("figures", f"middle of {runs} rounds (lowest–highest), arms in turns after a warm-up"),
        ("ratio", "how many times better ours is: above 1 we win, for milliseconds too"),
    ]
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines:
        grid.add_row(Text(name), Text(value))
    for note in e.notes:
        grid.add_row(Text("note", "yellow"), Text(note, "yellow"))
    return grid


def section(result: Result, width: int) -> RenderableType:
    """One section: its title, how it was measured, its table, and a plot where its rows have an x."""
    about = result.section
    parts: list[RenderableType] = [Text(about.title, "bold"), Text(about.about, "dim"), _table(result, width)]
    lines = list(_lines(result.rows))
    if lines:
        parts.append(plot(lines, min(width, 100), x_name="depth"))
    return Group(Text(), *parts)


def _table(result: Result, width: int) -> Table:
    rows, wide = result.rows, width >= WIDE
    compared = any(row.theirs for row in rows)
    promised = any(row.expected is not None for row in rows)
    table = Table(box=box.SIMPLE_HEAD, width=width, padding=(0, 1), pad_edge=False)
    table.add_column("", ratio=1, overflow="fold")
    figures = [result.section.ours] + ([result.section.theirs, "ratio"] if compared else [])
    for name in figures + (["expected"] if promised else []):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [_name(row), _figure(row.ours, row.unit, ends=wide or not compared)]
        if compared:
            cells += [_figure(row.theirs, row.unit, ends=wide), _ratio(row.ratio, "" if wide else "\n")]
        if promised:
            cells.append(Text("" if row.expected is None else f"{row.expected:.2f}x", "dim"))
        table.add_row(*cells)
    return table


def _name(row: Row) -> Text:
    text = Text(row.name)
    if row.note:
        text.append(f"\n  {row.note}", "dim")
    return text


def _figure(spread: Spread | None, unit: str, *, ends: bool) -> Text:
    if spread is None:
        return Text("")
    text = Text(f"{_number(spread.median)} {SHORT.get(unit, unit)}".rstrip())
    if ends and spread.low != spread.high:
        text.append(f" ({_number(spread.low)}–{_number(spread.high)})", "dim")
    return text


def _ratio(spread: Spread | None, gap: str) -> Text:
    """With a sign, since colour alone is not enough; `gap` parts it from its ends."""
    if spread is None:
        return Text("")
    won, lost = spread.median > 1 + CLEAR, spread.median < 1 - CLEAR
    sign, style = ("▲", "bold green") if won else ("▼", "bold red") if lost else ("=", "bold")
    text = Text(f"{sign} {spread.median:.2f}x", style)
    if spread.low != spread.high:
        text.append(f"{gap or ' '}({spread.low:.2f}–{spread.high:.2f})", "dim not bold")
    return text


def _number(value: float) -> str:
    """Three significant figures."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}" if abs(value) >= 0.0995 else f"{value:.2g}"


def _lines(rows: Sequence[Row]) -> Iterator[Line]:
    """One line a series, of the rows' ratios."""
    for name in dict.fromkeys(row.series for row in rows if row.series):
        mine = [row for row in rows if row.series == name and row.x is not None and row.ratio]
        points = [(row.x or 0.0, row.ratio.median) for row in mine if row.ratio]
        expected = [(row.x or 0.0, row.expected) for row in mine if row.expected is not None]
        yield Line(name, points, expected)


def _model(info: dict[str, object]) -> str:
    parameters = float(str(info["parameters"]))
    return (
        f"{info['name']}: {info['architecture']}, {parameters / 1e6:,.1f}M parameters, {info['layers']} layers, "
        f"{info['dtype']}, {info['attention']} attention, context {info['context']}"
    )
