"""`helix-chat bench`: runs the engine's measurements, with a progress bar, and prints each table as it is done."""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from engine.bench import Bench, Result, Settings, check_writable
from engine.bench import Progress as At

from .quiet import hush_libraries
from .render import benchmark

NARROWEST = 60


def run(settings: Settings, json: Path | None = None, console: Console | None = None) -> int:
    """Print the report, and save it to `json` after every section. Returns 0, or 130 when Ctrl-C ended it."""
    if json is not None:
        check_writable(json)
    hush_libraries()
    console = console or Console()
    width = max(console.width, NARROWEST)
    with warnings.catch_warnings(), _ending_like_ctrl_c(), _bar(console) as progress:
        warnings.simplefilter("ignore")
        bar = Watch(progress, len(settings.chosen))
        with Bench(settings, bar.see) as bench:
            progress.console.print(benchmark.header(bench.report.environment, settings.rounds))

            def done(result: Result) -> None:
                progress.console.print(benchmark.section(result, width))
                if json is not None:
                    bench.report.save(json)

            report = bench.run(done)
            if json is not None:
                report.save(json)
    if not report.complete:
        console.print("Interrupted: the rows above are those that were finished.", style="yellow")
    return 0 if report.complete else 130


@contextlib.contextmanager
def _ending_like_ctrl_c() -> Iterator[None]:
    """A polite kill must not leave gigabytes of random weights behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Watch:
    """Moves the bar: one step a section, with what is being measured beside it."""

    def __init__(self, progress: Progress, sections: int) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("Loading", total=sections, doing="")

    def see(self, at: At) -> None:
        self._progress.update(self._task, description=at.title, completed=max(0, at.section - 1), doing=at.doing)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", style="dim"),
        console=console,
        transient=True,
        # Drawing takes processor time from what is measured.
        refresh_per_second=2,
        disable=not console.is_terminal,
    )
