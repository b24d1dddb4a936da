"""How deep to draft: measured costs and measured acceptance in, the depth with most tokens a second out; 0 is a choice.

With acceptance a_i at position i, a cycle at depth g gives 1 + a_1 + a_1 a_2 + ... tokens (Leviathan et al. 2023,
section 3.1, without their assumption that all a_i are equal) and costs g drafted tokens and one forward of g + 1 rows.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from operator import mul

from .config import MAX_DEPTH

ROWS = (1, 2, 4, 8, 16)
"""Row counts whose forward is timed at load; between them costs are interpolated."""
DECAY = 0.96
"""Weight of the past in one text's acceptance: about its last 25 cycles count."""
LONG_DECAY = 0.995
"""The same over all texts, which is what a new one starts from."""
SMOOTHING = 0.1
"""Weight of a new cycle in the machine's current speed."""
PRIOR_WEIGHT = 3.0
FIRST_GUESS = 0.7
"""Acceptance before anything is known."""
PROBE_EVERY = 24
PROBE_MOST = 192
"""Plain cycles between two tries of drafting again: doubled after each try that did not pay."""
MARGIN = 1.03
"""Drafting must promise this much over plain decoding: below it lies the noise of the measurement."""


class Costs:
    """Seconds of a target forward by rows and of one drafted token, kept at the machine's current speed."""

    def __init__(self, verify: dict[int, float], draft: float) -> None:
        self._rows = sorted(verify)
        self._verify = [verify[r] for r in self._rows]
        self._draft = draft
        self._verify_speed = 1.0
        self._draft_speed = 1.0

    def verify(self, rows: int) -> float:
        """Of one target forward."""
        at = bisect_left(self._rows, rows)
        if at == 0:
            return self._verify[0] * self._verify_speed
        if at == len(self._rows):
            return self._verify[-1] * rows / self._rows[-1] * self._verify_speed
        low, high = self._rows[at - 1], self._rows[at]
        share = (rows - low) / (high - low)
        return (self._verify[at - 1] * (1 - share) + self._verify[at] * share) * self._verify_speed

    @property
    def draft(self) -> float:
        """Of one drafted token."""
        return self._draft * self._draft_speed

    def observe(self, rows: int, verify_seconds: float, drafted: int, draft_seconds: float) -> None:
        """Follow the machine: it slows down when others use it, and text grows longer."""
        step = _step(verify_seconds / self.verify(rows))
        self._verify_speed *= step
        # A plain cycle says nothing of the draft, but a machine that became faster did so for both.
        if drafted and self._draft:
            step = _step(draft_seconds / (drafted * self.draft))
        self._draft_speed *= step


def _step(ratio: float) -> float:
    """A small move towards what was seen; one outlier moves little."""
    return 1 + SMOOTHING * (min(max(ratio, 0.5), 2.0) - 1)


class Acceptance:
    """How often the token at each position is kept, given that all before it were; the last cycles count most."""

    def __init__(self, decay: float, start: Acceptance | None = None) -> None:
        """Until it has seen enough itself it believes `start`."""
        self._decay = decay
        self._start = start
        self._tried = [0.0] * MAX_DEPTH
        self._kept = [0.0] * MAX_DEPTH

    def observe(self, depth: int, accepted: int) -> None:
        for i in range(min(accepted + 1, depth)):
            self._tried[i] = self._tried[i] * self._decay + 1
            self._kept[i] = self._kept[i] * self._decay + (i < accepted)

    def rates(self) -> list[float]:
        """By position. With nothing to start from, an untried position is like the one before it."""
        guesses = self._start.rates() if self._start else None
        rates: list[float] = []
        for i, (tried, kept) in enumerate(zip(self._tried, self._kept, strict=True)):
            guess = guesses[i] if guesses else rates[-1] if rates else FIRST_GUESS
            rates.append((kept + PRIOR_WEIGHT * guess) / (tried + PRIOR_WEIGHT))
        return rates

    def tokens(self) -> list[float]:
        """Expected tokens a cycle at each depth 0 .. MAX_DEPTH."""
        return list(accumulate(accumulate(self.rates(), mul), initial=1.0))


@dataclass(frozen=True, slots=True)
class Choice:
    depth: int
    reason: str


@dataclass(slots=True)
class Pace:
    """What all sequences of an engine share about one drafter."""

    costs: Costs
    free: bool = False
    """Drafting costs nothing (n-grams)."""
    acceptance: Acceptance = field(default_factory=lambda: Acceptance(LONG_DECAY))


class DepthController:
    """Chooses for one sequence and one drafter."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._acceptance = Acceptance(DECAY, pace.acceptance)
        self._plain = 0
        self._wait = PROBE_EVERY

    def choose(self, limit: int) -> Choice:
        """The depth, up to `limit`, that promises most tokens a second."""
        if limit <= 0:
            return Choice(0, "no room to draft")
        costs, tokens = self._pace.costs, self._acceptance.tokens()
        draft = 0.0 if self._pace.free else costs.draft
        speeds = [tokens[g] / (g * draft + costs.verify(g + 1)) for g in range(min(limit, MAX_DEPTH) + 1)]
        best = max(range(1, len(speeds)), key=speeds.__getitem__)
        gain = speeds[best] / speeds[0]
        if gain >= MARGIN:
            self._plain, self._wait = 0, PROBE_EVERY
            return Choice(best, f"{tokens[best]:.1f} tokens a cycle, {gain:.2f}x plain expected")
        self._plain += 1
        if self._plain > self._wait:
            self._plain, self._wait = 0, min(self._wait * 2, PROBE_MOST)
            return Choice(1, "trying again whether drafting pays")
        return Choice(0, f"drafting would give {gain:.2f}x of plain speed")

    def observe(self, depth: int, accepted: int) -> None:
        self._acceptance.observe(depth, accepted)
        self._pace.acceptance.observe(depth, accepted)
