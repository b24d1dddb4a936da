"""What forwards cost on this machine, now: timed at load, then followed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence as Items
from itertools import accumulate

ROWS = (1, 2, 4, 8, 9, 16, 32, 64)
"""Row counts whose forward is timed at load; between them costs are interpolated. Kernels that take eight rows at once
begin anew at the ninth: in int8 8 rows of a 1.1B model cost 1.3 forwards of one, 9 rows 2.3."""
DRIFT = 2.0
"""Cycles that take this many times more or less than was measured: another machine, or another load on it."""
SKEW = 1.5
"""The same of a draft step against a target forward, which decides how deep it pays to draft."""
SMOOTHING = 0.1
"""Weight of a new cycle in the machine's current speed."""
OUTLIER = 3.0
"""Times what was usual: more than that is not believed at once."""


class Curve:
    """Seconds of a forward by its rows, at the machine's current speed; more sequences cost a little more."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self._rows = sorted(seconds)
        # Fewer rows never cost more: what says so was timed while something else held the machine.
        self._seconds = [*accumulate((seconds[r] for r in reversed(self._rows)), min)][::-1]
        self._speed = 1.0
        self._extra = 0.0
        """Of each sequence after the first, besides its rows."""

    def __call__(self, rows: int, sequences: int = 1) -> float:
        return self._of(rows) * self._speed + self._extra * (sequences - 1)

    @property
    def speed(self) -> float:
        """How many times as long as at first forwards take now."""
        return self._speed

    def follow(self, ratio: float) -> None:
        """What ran took `ratio` times as long as expected."""
        self._speed *= _step(ratio)

    def learn(self, over: float, others: int) -> None:
        """A forward of several sequences took `over` seconds more than its rows would."""
        each = min(max(0.0, over / others), self(1))
        self._extra += SMOOTHING * (each - self._extra)

    def _of(self, rows: int) -> float:
        at = bisect_left(self._rows, rows)
        if at == 0:
            return self._seconds[0]
        if at == len(self._rows):
            return self._seconds[-1] * rows / self._rows[-1]
        low, high = self._rows[at - 1], self._rows[at]
        share = (rows - low) / (high - low)
        return self._seconds[at - 1] * (1 - share) + self._seconds[at] * share


class Rest:
    """Seconds of a cycle outside its forwards, for each sequence: judging, telling, keeping the books.

    Small models have forwards so short that it decides whether drafting pays.
    """

    def __init__(self) -> None:
        self._seen: dict[bool, float] = {}

    def __call__(self, drafting: bool) -> float:
        """Of a cycle with drafts or without; before any was seen, what the other kind takes."""
        plain = self._seen.get(False, 0.0)
        return max(plain, self._seen.get(True, plain)) if drafting else plain

    def learn(self, drafting: bool, seconds: float) -> None:
        before = self._seen.get(drafting, seconds)
        self._seen[drafting] = before + SMOOTHING * (min(seconds, OUTLIER * before) - before)


class Costs:
    """Seconds of a target forward, of a draft step and of the rest of a cycle, at the machine's current speed."""

    def __init__(self, verify: dict[int, float], draft: float | dict[int, float]) -> None:
        """By rows; a draft step has one row for each sequence that drafts."""
        self.verify = Curve(verify)
        self.draft_step = Curve(draft if isinstance(draft, dict) else {1: draft})
        self.rest = Rest()

    @property
    def draft(self) -> float:
        """Of one drafted token of one sequence."""
        return self.draft_step(1)

    @property
    def drifted(self) -> bool:
        """Whether the cycles so far clearly disagree with what was measured at first."""
        verify, draft = self.verify.speed, self.draft_step.speed
        return not 1 / DRIFT < verify < DRIFT or not 1 / SKEW < draft / verify < SKEW

    def observe(self, rows: int, verify_seconds: float, drafted: int, draft_seconds: float) -> None:
        """A cycle of one sequence. The machine slows down when others use it, and text grows longer."""
        ratio = verify_seconds / self.verify(rows)
        self.verify.follow(ratio)
        # A plain cycle says nothing of the draft, but a machine that became faster did so for both.
        if drafted and self.draft:
            ratio = draft_seconds / (drafted * self.draft)
            self.draft_step.follow(ratio)
        else:
            self.draft_step.follow(ratio)

    def observe_batch(
        self, rows: int, sequences: int, verify_seconds: float, steps: Items[int], draft_seconds: float
    ) -> None:
        """A cycle of several; `steps` are the sequences that drafted in each step."""
        self.verify.learn(verify_seconds - self.verify(rows), sequences - 1)
        if others := sum(steps) - len(steps):
            self.draft_step.learn(draft_seconds - sum(map(self.draft_step, steps)), others)


def _step(ratio: float) -> float:
    """A small move towards what was seen; one outlier moves little."""
    return 1 + SMOOTHING * (min(max(ratio, 0.5), 2.0) - 1)
