"""The measurements behind `helix-chat bench`: every comparison interleaved, in one process, on the same weights.

    from engine.bench import Bench, Settings
    with Bench(Settings(sections=("depth",))) as bench:
        report = bench.run()

Importing this package loads neither torch nor transformers: `Bench` brings them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .catalogue import SECTIONS, Section
from .progress import Progress
from .report import Environment, Report, Result, Row, Spread, check_writable
from .settings import SHAPES, Settings

if TYPE_CHECKING:
    from .bench import Bench

__all__ = [
    "SECTIONS",
    "SHAPES",
    "Bench",
    "Environment",
    "Progress",
    "Report",
    "Result",
    "Row",
    "Section",
    "Settings",
    "Spread",
    "check_writable",
]


def __getattr__(name: str) -> Any:
    if name == "Bench":
        return import_module(".bench", __name__).Bench
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
