"""A race: one question decoded without and with speculation, one after the other, on the clock of the events."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from statistics import median
from typing import Literal

from engine import Event
from engine.events import Cycle, Emitted, Failed, Finished, Started

from .messages import Question

Name = Literal["warm-up", "baseline", "speculative"]
LONGEST = 128
"""Tokens of a run, where no limit was asked for."""
WARM_UP = 8
"""Tokens of the run before the measured ones."""
FALLBACK_DEPTH = 4
"""For the speculative lane where the chat is at depth 0."""


@dataclass(slots=True)
class Lane:
    """One run, folded from its events. Its clock starts when its first cycle ends, for that one came with the prompt:
    what is compared is decoding alone, as in `Usage.decode_tokens_per_s`, by the cycles' own seconds."""

    tokens: list[Emitted] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When each token came."""
    first: int = 0
    """Tokens of the first cycle: all at time 0."""
    cycles: int = 0
    drafted: int = 0
    accepted: int = 0
    seconds: float = 0.0
    costs: list[tuple[float, float]] = field(default_factory=list)
    """(drafting, checking) seconds of each cycle that drafted, on the lane's clock: without the first."""
    cached: int = 0
    """Prompt tokens that were remembered."""
    ttft: float | None = None
    """`Usage.ttft_s`, which is no part of the race."""
    ended: str | None = None
    """The finish reason, once there is one."""

    def feed(self, event: Event) -> None:
        if isinstance(event, Started):
            self.cached = event.cached_tokens
        elif isinstance(event, Cycle):
            if self.cycles:
                self.seconds += event.seconds
                if event.drafted:
                    self.costs.append((event.draft_seconds, event.verify_seconds))
            else:
                self.first = len(event.emitted)
            self.cycles += 1
            self.drafted += len(event.drafted)
            self.accepted += event.accepted
            self.tokens += event.emitted
            self.times += [self.seconds] * len(event.emitted)
        elif isinstance(event, Finished):
            self.ended, self.ttft = event.reason, event.usage.ttft_s

    def shown(self, at: float) -> int:
        """How many tokens were there at that time."""
        return bisect_right(self.times, at)

    def rate(self, count: int | None = None) -> float | None:
        """Tokens/s up to the token of that number, or of the whole run; None before there is any."""
        count = len(self.tokens) if count is None else count
        seconds = self.times[count - 1] if count else 0.0
        return (count - self.first) / seconds if seconds > 0 else None

    @property
    def step(self) -> float | None:
        """Mean seconds of a cycle on the lane's clock."""
        return self.seconds / (self.cycles - 1) if self.cycles > 1 else None

    @property
    def cost(self) -> tuple[float, float] | None:
        """Mean (drafting, checking) seconds of a cycle that drafted."""
        if not self.costs:
            return None
        drafting, checking = (sum(part) / len(self.costs) for part in zip(*self.costs, strict=True))
        return drafting, checking

    @property
    def acceptance(self) -> float | None:
        """accepted / drafted."""
        return self.accepted / self.drafted if self.drafted else None

    @property
    def mean_length(self) -> float | None:
        """Tokens a round."""
        return len(self.tokens) / self.cycles if self.cycles else None


@dataclass(slots=True)
class Round:
    """Both lanes, measured one after the other."""

    order: tuple[Name, Name]
    baseline: Lane = field(default_factory=Lane)
    speculative: Lane = field(default_factory=Lane)

    def lane(self, name: Name) -> Lane:
        return self.baseline if name == "baseline" else self.speculative

    @property
    def parts_at(self) -> int | None:
        """The index of the first token that differs; None when all are the same."""
        pairs = zip_longest(self.baseline.tokens, self.speculative.tokens)
        return next((i for i, (a, b) in enumerate(pairs) if a is None or b is None or a.id != b.id), None)

    @property
    def ratio(self) -> float | None:
        """Speculative over baseline, in tokens/s."""
        base, fast = self.baseline.rate(), self.speculative.rate()
        return fast / base if base and fast else None

    @property
    def goal(self) -> int:
        """The finish line: as many tokens as both lanes have."""
        return min(len(self.baseline.tokens), len(self.speculative.tokens))

    def place(self, name: Name, at: float) -> int | None:
        """1 or 2 for a lane that is past the finish line at that time; both are first when they come together."""
        ends = {n: self.lane(n).times[self.goal - 1] if self.goal else 0.0 for n in self.order}
        return None if at < ends[name] else 1 + sum(end < ends[name] for end in ends.values())

    @property
    def duration(self) -> float:
        """Seconds until both lanes are past the finish line."""
        goal = self.goal
        return max(lane.times[goal - 1] for lane in (self.baseline, self.speculative)) if goal else 0.0


class Race:
    """What to run next, and what came of it.

    `begin` starts a round: a warm-up, so that neither lane finds the prompt or the machine colder than the other, then
    both lanes; every second round in the other order. Then `step` is what to ask, `feed` takes its events, `advance`
    goes on to the next.
    """

    def __init__(self, question: Question) -> None:
        limit = LONGEST if question.max_tokens is None else question.max_tokens
        self.question = replace(question, depth=question.depth or FALLBACK_DEPTH, max_tokens=limit)
        self.rounds: list[Round] = []
        """Those that came to their end."""
        self.round = Round(("baseline", "speculative"))
        """The one that runs, or the last one."""
        self._steps: deque[Name] = deque()
        self._warm = Lane()

    def begin(self) -> None:
        """Measure again, or for the first time; a round that was broken off is forgotten."""
        order: tuple[Name, Name] = ("baseline", "speculative")
        self.round = Round(order[::-1] if len(self.rounds) % 2 else order)
        self._warm = Lane()
        self._steps = deque(["warm-up", *self.round.order])

    @property
    def step(self) -> Name | None:
        """What is being measured; None when nothing is left to do."""
        return self._steps[0] if self._steps else None

    def ask(self) -> Question:
        """The question of this step."""
        if self.step == "warm-up":
            return replace(self.question, max_tokens=min(WARM_UP, self.question.max_tokens or WARM_UP))
        return replace(self.question, depth=0) if self.step == "baseline" else self.question

    @property
    def lane(self) -> Lane:
        """The one that is being measured."""
        step = self.step
        return self._warm if step in ("warm-up", None) else self.round.lane(step)

    def feed(self, event: Event) -> bool:
        """Take an event of this step; True when it was its last."""
        self.lane.feed(event)
        return isinstance(event, (Finished, Failed))

    def advance(self) -> None:
        """Go on to the next step; after the last one the round counts."""
        self._steps.popleft()
        if not self._steps:
            self.rounds.append(self.round)

    def abandon(self) -> None:
        """Break the round off; what was measured before stays."""
        self._steps.clear()
        if self.rounds:
            self.round = self.rounds[-1]

    def rate(self, name: Name) -> float | None:
        """The lane's tokens/s: the median of all rounds."""
        rates = [rate for r in self.rounds if (rate := r.lane(name).rate()) is not None]
        return median(rates) if rates else None

    @property
    def ratio(self) -> float | None:
        """Speculative over baseline; None before both were measured."""
        base, fast = self.rate("baseline"), self.rate("speculative")
        return fast / base if base and fast else None

    @property
    def greedy(self) -> bool:
        """Whether both lanes have to say the same."""
        return self.question.sampling.greedy

    @property
    def identical(self) -> bool | None:
        """Whether they did, in every round; None when drawn by chance, or before the first."""
        return all(r.parts_at is None for r in self.rounds) if self.greedy and self.rounds else None
