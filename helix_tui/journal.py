"""A reply's rounds as its events told them: what each token can be traced back to."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from engine.events import Cycle, Drafted, Emitted, Rule

TAIL = 200
"""Characters that are looked back on for what stood before a round."""


class Traced(NamedTuple):
    """One token of the reply, and where it came from."""

    round: int
    """Which round of the reply, from 0."""
    cycle: Cycle
    place: int
    """Its place among the tokens that the round emitted, from 0."""

    @property
    def token(self) -> Emitted:
        return self.cycle.emitted[self.place]

    @property
    def draft(self) -> Drafted | None:
        """What was drafted for this place, kept or not."""
        return self.cycle.drafted[self.place] if self.place < len(self.cycle.drafted) else None

    @property
    def rejected(self) -> tuple[Drafted, ...]:
        """What was drafted for this place and after it, and thrown away."""
        return () if self.token.origin == "draft" else self.cycle.drafted[self.place :]


class Journal:
    """Everything that happened in one reply; empty for one that was reopened, whose rounds nobody kept."""

    def __init__(self) -> None:
        self.rule: Rule | None = None
        """How drafts were judged; None where that was not recorded."""
        self.rounds: list[Cycle] = []
        self._starts: list[int] = []
        self.tokens = 0

    @property
    def texts(self) -> list[str]:
        """Of each token; empty where it made nothing showable."""
        return [token.text for cycle in self.rounds for token in cycle.emitted]

    def add(self, cycle: Cycle) -> None:
        self.rounds.append(cycle)
        self._starts.append(self.tokens)
        self.tokens += len(cycle.emitted)

    def trace(self, number: int) -> Traced:
        """The reply's token of that number, from 0."""
        at = bisect_right(self._starts, number) - 1
        # A round that emitted nothing starts where the next one does.
        return Traced(at, self.rounds[at], number - self._starts[at])

    def before(self, number: int) -> str:
        """The end of what had been said when that round began."""
        text = ""
        for cycle in reversed(self.rounds[:number]):
            text = "".join(token.text for token in cycle.emitted) + text
            if len(text) > TAIL:
                break
        return text

    def rule_of(self, cycle: Cycle) -> Rule | None:
        """N-grams have no law to compare with but their one token, so they are judged one by one."""
        return "token" if cycle.drafter == "ngram" and self.rule == "block" else self.rule
