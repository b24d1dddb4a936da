"""When the tokens of one reply came, taken the same way for Helix and its rivals: from outside, by one clock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from ..events import Cycle


@dataclass(slots=True)
class Trace:
    """`start` is just before the request; `add` is called whenever new tokens can be seen."""

    start: float = field(default_factory=time.perf_counter)
    ids: list[int] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)
    """When each step's tokens came."""
    counts: list[int] = field(default_factory=list)
    """How many came."""
    cycles: list[Cycle] = field(default_factory=list)
    """Helix's own account of each step; empty for rivals."""
    cached: int = 0
    """Prompt tokens that needed no forward."""

    def add(self, ids: Sequence[int]) -> None:
        self.stamps.append(time.perf_counter())
        self.counts.append(len(ids))
        self.ids += ids

    @property
    def first(self) -> float:
        """Seconds to the first token."""
        return self.stamps[0] - self.start

    @property
    def later(self) -> int:
        """Tokens of all steps but the first, which came with the prefill."""
        return sum(self.counts[1:])

    @property
    def decoding(self) -> float:
        """Seconds from the end of the first step to the end of the last."""
        return self.stamps[-1] - self.stamps[0]

    @property
    def steps(self) -> list[float]:
        """Seconds of each step but the first."""
        return [b - a for a, b in zip(self.stamps, self.stamps[1:], strict=False)]

    @property
    def step(self) -> float:
        """The middle one of `steps`."""
        return median(self.steps)

    @property
    def accepted(self) -> int:
        return sum(c.accepted for c in self.cycles)

    @property
    def drafted(self) -> int:
        return sum(len(c.drafted) for c in self.cycles)


def speed(traces: Sequence[Trace]) -> float:
    """Decoded tokens a second over some replies together; 0 when none was longer than its first step."""
    seconds = sum(t.decoding for t in traces)
    return sum(t.later for t in traces) / seconds if seconds else 0.0


def acceptance(traces: Sequence[Trace]) -> float | None:
    """Per-token: how often a drafted token was kept, given that all before it were. None when nothing was drafted.

    Not accepted / drafted: of a cycle's drafts only those up to the first rejected one were put to the test.
    """
    tried = sum(min(c.accepted + 1, len(c.drafted)) for t in traces for c in t.cycles)
    return sum(t.accepted for t in traces) / tried if tried else None
