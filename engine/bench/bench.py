"""Loads the models, runs the chosen sections, and keeps every row that was finished whatever happens next."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import TracebackType

from ..errors import HelixError
from ..events import Event, Loading
from .catalogue import SECTIONS
from .environment import examine, load_average
from .lab import Lab
from .progress import Progress
from .report import Report, Result, Row
from .settings import Settings


class Bench:
    """Use as a context manager: leaving it lets go of the models and of temporary files."""

    def __init__(self, settings: Settings, watch: Callable[[Progress], None] = lambda progress: None) -> None:
        self.settings = settings
        self._watch = watch
        self._at = Progress(0, len(settings.chosen), "Loading", "")
        load = load_average()
        self._lab = Lab(settings, self._loading, self._tick)
        self.report = Report(examine(self._lab, load), settings)

    def run(self, done: Callable[[Result], None] = lambda result: None) -> Report:
        """All chosen sections, each given to `done` once it is over.

        After Ctrl-C the report has the rows so far and says that it is not complete.
        """
        try:
            for number, name in enumerate(self.settings.chosen, 1):
                result = Result(SECTIONS[name])
                self.report.results.append(result)
                self._at = Progress(number, len(self.settings.chosen), result.section.title, "")
                try:
                    self._measure(result)
                finally:
                    if result.rows:
                        done(result)
            self.report.complete = True
        except KeyboardInterrupt:
            pass
        return self.report

    def close(self) -> None:
        self._lab.close()

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _measure(self, result: Result) -> None:
        """One section's rows as they come; one that cannot run leaves a line and not an end to everything."""
        module = import_module(f".sections.{result.section.name}", __package__)
        try:
            for row in module.measure(self._lab):
                result.rows.append(row)
        except HelixError as error:
            result.rows.append(Row("not measured", note=str(error)))

    def _loading(self, event: Event) -> None:
        if isinstance(event, Loading):
            self._tick(event.stage)

    def _tick(self, doing: str) -> None:
        self._watch(Progress(self._at.section, self._at.sections, self._at.title, doing))
