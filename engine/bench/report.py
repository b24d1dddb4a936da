"""What a benchmark found: rows of figures by section, and the machine they are of. Rendering is elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from ..errors import InvalidRequest
from .catalogue import Section
from .settings import Settings

Unit = Literal["tokens/s", "ms", "GB/s", "%", "x", ""]
FORMAT = 1
"""Of the JSON: raised when a field changes its meaning."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and both ends of some runs of one figure."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value."""
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1])


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a section's table; one without figures is a remark, in `note`."""

    name: str
    unit: Unit = ""
    ours: Spread | None = None
    theirs: Spread | None = None
    ratio: Spread | None = None
    """How many times better ours is, of figures taken in the same round: above 1 we win, whatever the unit."""
    runs: int = 0
    note: str = ""
    expected: float | None = None
    """What the formula promises for `ratio`."""
    series: str = ""
    """Rows of the same series are one line of the plot."""
    x: float | None = None


def compare(name: str, unit: Unit, ours: Sequence[float], theirs: Sequence[float], note: str = "", **more: Any) -> Row:
    """A row of two figures measured in turns. The ratio is taken round by round: what slows both cancels."""
    better, worse = (theirs, ours) if unit == "ms" else (ours, theirs)
    # A reply that ended in its first step has no speed, and then there is no ratio.
    measured = all((*ours, *theirs))
    ratio = Spread.of(a / b for a, b in zip(better, worse, strict=True)) if measured else None
    return Row(name, unit, Spread.of(ours), Spread.of(theirs), ratio, len(ours), note, **more)


def alone(name: str, unit: Unit, values: Sequence[float], note: str = "", **more: Any) -> Row:
    """A row of one figure."""
    return Row(name, unit, Spread.of(values), runs=len(values), note=note, **more)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the figures come from."""

    processor: str
    features: tuple[str, ...]
    cores: int
    threads: int
    memory: int
    load: float | None
    """Processes that wanted a core in the last minute, before the benchmark began; None where it is not known."""
    platform: str
    python: str
    versions: dict[str, str]
    device: str
    target: dict[str, Any]
    """`ModelInfo` as a dictionary."""
    draft: dict[str, Any] | None
    notes: tuple[str, ...] = ()
    """What a reader must know, such as that the acceptance is set."""


@dataclass(frozen=True, slots=True)
class Result:
    section: Section
    rows: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    environment: Environment
    settings: Settings
    results: list[Result] = field(default_factory=list)
    complete: bool = False
    """False when it was interrupted: the rows are those that were finished."""

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "complete": self.complete,
            "environment": asdict(self.environment),
            "settings": asdict(self.settings),
            "sections": [{**asdict(r.section), "rows": [asdict(row) for row in r.rows]} for r in self.results],
        }

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def check_writable(path: Path) -> None:
    """Raise InvalidRequest, before minutes are spent measuring, unless a report can be saved there."""
    target = path if path.exists() else path.parent
    if path.is_dir() or not target.exists() or not os.access(target, os.W_OK):
        raise InvalidRequest(f"Cannot write {path}; choose another file for the figures.")
