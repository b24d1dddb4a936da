"""The depth that would have given most tokens a second, estimated from the rounds that were measured."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from statistics import median

from engine.events import Cycle

ENOUGH_ROUNDS = 24
"""Rounds that drafted, before anything is said."""
ENOUGH_TRIES = 8
"""Of a position, before a depth that reaches it is considered."""
REMEMBERED = 400
"""The last rounds of the session, which are all that count."""


def expected_tokens(acceptance: Sequence[float]) -> list[float]:
    """Of a round at each depth 0 .. len(acceptance): 1 + a_1 + a_1 a_2 + ... + a_1 ... a_k.

    `acceptance` is a_1, a_2, ...: how often the token of that position was kept, given that all before it were. Where
    they are all the same this is (1 - a^(k+1)) / (1 - a), equation 1 of Leviathan et al. 2023; their section 3.3 takes
    the walltime of a round from it as here.
    """
    return list(accumulate(accumulate(acceptance, mul), initial=1.0))


def tokens_per_second(
    acceptance: Sequence[float], draft: float, check: Callable[[int], float], rest: float = 0.0
) -> list[float]:
    """At each depth k: expected_tokens[k] / (k * draft + check(k + 1) + rest).

    `draft` is the seconds of one drafted token, `check(rows)` of one target forward, `rest` of all else in a round.
    """
    return [
        tokens / (depth * draft + check(depth + 1) + rest) for depth, tokens in enumerate(expected_tokens(acceptance))
    ]


def line(points: Sequence[tuple[int, float, int]]) -> Callable[[int], float]:
    """Seconds by rows through (rows, seconds, weight) points: least squares, never falling; flat through only one.

    Never less than a row cost where rows were cheapest: beyond what was measured a line may lead anywhere.
    """
    weight = sum(w for _, _, w in points)
    mean_x = sum(x * w for x, _, w in points) / weight
    mean_y = sum(y * w for _, y, w in points) / weight
    spread = sum(w * (x - mean_x) ** 2 for x, _, w in points)
    slope = sum(w * (x - mean_x) * (y - mean_y) for x, y, w in points) / spread if spread else 0.0
    least = min(y / x for x, y, _ in points)
    return lambda rows: max(least, mean_y + max(0.0, slope) * (rows - mean_x))


@dataclass(frozen=True, slots=True)
class Estimate:
    depth: int
    gain: float
    """Its tokens a second over those of plain decoding, both estimated."""
    rounds: int
    """How many it is based on."""
    deepest: int
    """Nothing deeper was tried often enough to say."""


class Evidence:
    """What the session's rounds showed; those that prompt tokens or other requests made dearer are left out."""

    def __init__(self) -> None:
        self._rounds: deque[Cycle] = deque(maxlen=REMEMBERED)
        self._estimate: Estimate | None = None
        self._known = 0
        self._seen = 0

    def add(self, cycle: Cycle) -> None:
        if cycle.batch == 1 and not cycle.prompt_rows and cycle.verify_seconds > 0:
            self._rounds.append(cycle)
            self._seen += 1

    @property
    def estimate(self) -> Estimate | None:
        """None until there is enough to go by; looked at anew when there are more rounds."""
        if self._known != self._seen:
            self._known = self._seen
            self._estimate = estimate(self._rounds)
        return self._estimate


def estimate(rounds: Sequence[Cycle] | deque[Cycle]) -> Estimate | None:
    """The best depth of those tried at least `ENOUGH_TRIES` times, 0 included."""
    drafting = [cycle for cycle in rounds if cycle.drafted]
    if len(drafting) < ENOUGH_ROUNDS:
        return None
    acceptance: list[float] = []
    for position in range(max(len(cycle.drafted) for cycle in drafting)):
        tried = [c.accepted > position for c in drafting if len(c.drafted) > position and c.accepted >= position]
        if len(tried) < ENOUGH_TRIES:
            break
        acceptance.append(sum(tried) / len(tried))
    by_rows: dict[int, list[float]] = {}
    for cycle in rounds:
        by_rows.setdefault(len(cycle.drafted) + 1, []).append(cycle.verify_seconds)
    check = line([(rows, median(seconds), len(seconds)) for rows, seconds in by_rows.items()])
    draft = median(cycle.draft_seconds / len(cycle.drafted) for cycle in drafting)
    rest = median(max(0.0, c.seconds - c.draft_seconds - c.verify_seconds) for c in rounds)
    speeds = tokens_per_second(acceptance, draft, check, rest)
    best = max(range(len(speeds)), key=speeds.__getitem__)
    return Estimate(best, speeds[best] / speeds[0], len(rounds), len(acceptance))
