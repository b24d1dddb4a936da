"""How deep to draft: measured costs and measured acceptance in, the depth with most tokens a second out; 0 is a choice.

With acceptance a_i at position i, a cycle at depth g gives 1 + a_1 + a_1 a_2 + ... tokens (Leviathan et al. 2023,
section 3.1, without their assumption that all a_i are equal) and costs g drafted tokens and one forward of g + 1 rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence as Items
from dataclasses import dataclass, field
from itertools import accumulate
from operator import mul

from .config import MAX_DEPTH

ROWS = (1, 2, 4, 8, 16, 32, 64)
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


class Curve:
    """Seconds of a forward by its rows, at the machine's current speed; more sequences cost a little more."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self._rows = sorted(seconds)
        self._seconds = [seconds[r] for r in self._rows]
        self._speed = 1.0
        self._extra = 0.0
        """Of each sequence after the first, besides its rows."""

    def __call__(self, rows: int, sequences: int = 1) -> float:
        return self._of(rows) * self._speed + self._extra * (sequences - 1)

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


class Costs:
    """Seconds of a target forward and of a draft step, kept at the machine's current speed."""

    def __init__(self, verify: dict[int, float], draft: float | dict[int, float]) -> None:
        """By rows; a draft step has one row for each sequence that drafts."""
        self.verify = Curve(verify)
        self.draft_step = Curve(draft if isinstance(draft, dict) else {1: draft})

    @property
    def draft(self) -> float:
        """Of one drafted token of one sequence."""
        return self.draft_step(1)

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
        """The depth, up to `limit`, that promises most tokens a second to a sequence alone."""
        return share_out([Wish(self, limit)], self._pace.costs, MAX_DEPTH + 1)[0]

    @property
    def free(self) -> bool:
        """Whether its drafts cost nothing."""
        return self._pace.free

    def tokens(self) -> list[float]:
        """Expected tokens a cycle at each depth 0 .. MAX_DEPTH."""
        return self._acceptance.tokens()

    def settle(self, depth: int, gain: float) -> Choice:
        """Take the depth that was found best, or try again now and then where that was 0."""
        if depth:
            self._plain, self._wait = 0, PROBE_EVERY
            return Choice(depth, f"{self.tokens()[depth]:.1f} tokens a cycle, {gain:.2f}x plain expected")
        self._plain += 1
        if self._plain > self._wait:
            self._plain, self._wait = 0, min(self._wait * 2, PROBE_MOST)
            return Choice(1, "trying again whether drafting pays")
        return Choice(0, f"drafting would give {gain:.2f}x of plain speed")

    def observe(self, depth: int, accepted: int) -> None:
        self._acceptance.observe(depth, accepted)
        self._pace.acceptance.observe(depth, accepted)


@dataclass(frozen=True, slots=True)
class Wish:
    """A sequence that would draft up to `limit` tokens in this cycle."""

    controller: DepthController
    limit: int


def share_out(wishes: Items[Wish], costs: Costs, budget: int, taken: int = 0, others: int = 0) -> list[Choice]:
    """How deep each drafts: rows go to the tokens likeliest to be kept, as many as make the whole batch fastest.

    `budget` is the rows of the forward, of which `taken` are those of `others`, sequences with a depth of their own.
    """
    sequences = len(wishes) + others
    expected = [wish.controller.tokens() for wish in wishes]
    # Likelier first: a sequence's own tokens are less and less likely, so they come in order.
    offers = sorted(
        (expected[i][g - 1] - expected[i][g], g, i)
        for i, wish in enumerate(wishes)
        for g in range(1, min(wish.limit, MAX_DEPTH) + 1)
    )
    rows, tokens, drafting = taken + len(wishes), float(sequences), 0.0
    plain = tokens / costs.verify(rows, sequences)
    best, chosen = 0.0, 0
    steps = [0] * (MAX_DEPTH + 1)
    for place, (loss, g, i) in enumerate(offers[: max(0, budget - rows)], 1):
        tokens -= loss
        if not wishes[i].controller.free:
            drafting += costs.draft_step(steps[g] + 1, steps[g] + 1) - (
                steps[g] and costs.draft_step(steps[g], steps[g])
            )
            steps[g] += 1
        speed = tokens / (costs.verify(rows + place, sequences) + drafting)
        if speed > best:
            best, chosen = speed, place
    gain = best / plain
    depths = [0] * len(wishes)
    if gain >= MARGIN:
        for _, g, i in offers[:chosen]:
            depths[i] = g
    return [
        wish.controller.settle(depth, gain) if wish.limit > 0 else Choice(0, "no room to draft")
        for wish, depth in zip(wishes, depths, strict=True)
    ]
