"""What a benchmark is doing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Section number `section` of `sections`; 0 while the models load."""

    section: int
    sections: int
    title: str
    doing: str
