"""What the settings screen says: the numbers of a preset, and the lines that would keep a change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Sampling

from ..settings import Settings
from ..settings.example import toml
from ..settings.table import NUMBERS


def numbers(sampling: Sampling) -> str:
    """`temperature 0.7, top-p 0.9`; what is switched off is left out."""
    if sampling.greedy:
        return "always the likeliest token"
    plain = Sampling()
    shown = [n for n in NUMBERS if getattr(sampling, n) != getattr(plain, n)]
    return ", ".join(f"{name.replace('_', '-')} {getattr(sampling, name):g}" for name in shown)


def to_keep(changes: Mapping[str, Any], settings: Settings) -> list[str]:
    """The lines of the settings file that would make these hold from the start, by id; [] when they do already."""
    lines: list[str] = []
    section = ""
    for id, value in changes.items():
        if value == settings[id] or value is None:
            continue
        if id.partition(".")[0] != section:
            section = id.partition(".")[0]
            lines.append(f"[{section}]")
        lines.append(f"{id.partition('.')[2]} = {toml(value)}")
    return lines
