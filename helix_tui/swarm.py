"""A swarm: several questions answered at once through the engine's batch, folded from its events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from engine import Event
from engine.events import Cycle, Failed, Finished, Preempted, Prefilled, Started

from .messages import Question
from .pool import Pool
from .starters import STARTERS

FEWEST, MOST = 2, 16
LONGEST = 128
"""Tokens of a reply, where no limit was asked for."""

State = Literal["waiting", "reading", "writing", "preempted", "done", "failed"]


@dataclass(slots=True)
class Member:
    """One of the questions, and what came of it."""

    question: str
    request: int | None = None
    state: State = "waiting"
    pieces: list[tuple[str, str]] = field(default_factory=list)
    """Text and origin of each token."""
    seconds: float = 0.0
    """Of its cycles; those of a batch last as long for every member."""
    drafted: int = 0
    accepted: int = 0
    preempted: int = 0
    """How often it gave its blocks back."""
    seat: int | None = None
    """Its letter and colour in the pool, kept when it has left it."""
    error: str = ""

    @property
    def rate(self) -> float | None:
        return len(self.pieces) / self.seconds if self.seconds > 0 else None


class Swarm:
    """Members in the order asked. Raises ValueError for fewer than 2 or more than 16."""

    def __init__(self, settings: Question, count: int) -> None:
        if not FEWEST <= count <= MOST:
            raise ValueError(f"a swarm has {FEWEST} to {MOST} members")
        self.members = [Member(STARTERS[i % len(STARTERS)]) for i in range(count)]
        limit = LONGEST if settings.max_tokens is None else settings.max_tokens
        self.questions = [
            replace(settings, messages=({"role": "user", "content": member.question},), max_tokens=limit)
            for member in self.members
        ]
        self.pool = Pool()
        self.seconds = 0.0
        """Of all steps so far."""
        self.most = 0
        """Sequences that shared a step, at most."""
        self._in_step = 0

    def feed(self, event: Event) -> None:
        if isinstance(event, Started):
            self._started(event)
        member = self._member(event)
        if member is None:
            if isinstance(event, Failed):
                self.refuse(event.message)
            return
        if isinstance(event, Prefilled):
            member.state = "writing"
            self.pool.see(event.request, event.blocks)
        elif isinstance(event, Cycle):
            self._cycle(member, event)
        elif isinstance(event, Preempted):
            member.state = "preempted"
            member.preempted += 1
            self.pool.preempt(event.request)
        elif isinstance(event, Finished):
            member.state = "done"
            self.pool.drop(event.request, event.blocks)
        elif isinstance(event, Failed):
            member.state, member.error = "failed", event.message
            self.pool.drop(event.request)

    def refuse(self, words: str) -> None:
        """One of those that wait will not be answered."""
        for member in self.members:
            if member.state == "waiting":
                member.state, member.error = "failed", words
                return

    def break_off(self, words: str) -> None:
        """None of those that run or wait will be answered."""
        for member in self.members:
            if member.state not in ("done", "failed"):
                member.state, member.error = "failed", words
        self.pool.owners.clear()

    def _started(self, event: Started) -> None:
        asked = (m for m in self.members if m.request is None and m.question == event.question)
        if (member := next(asked, None)) is not None:
            member.request, member.state = event.request, "reading"
            self.pool.start(event)
            member.seat = self.pool.owners[event.request].seat

    def _cycle(self, member: Member, event: Cycle) -> None:
        # Every member of a step tells the whole step's seconds: they count once.
        if self._in_step == 0:
            self.seconds += event.seconds
            self._in_step = event.batch
        self._in_step -= 1
        self.most = max(self.most, event.batch)
        member.state = "writing"
        member.seconds += event.seconds
        member.drafted += len(event.drafted)
        member.accepted += event.accepted
        member.pieces += [(token.text, token.origin) for token in event.emitted]
        self.pool.cycle(event)

    def _member(self, event: Event) -> Member | None:
        request = getattr(event, "request", None)
        return next((m for m in self.members if m.request is not None and m.request == request), None)

    @property
    def tokens(self) -> int:
        return sum(len(member.pieces) for member in self.members)

    @property
    def rate(self) -> float | None:
        """Tokens/s of all together, over the steps' own seconds."""
        return self.tokens / self.seconds if self.seconds > 0 else None

    @property
    def acceptance(self) -> float | None:
        """accepted / drafted, of all together."""
        drafted = sum(member.drafted for member in self.members)
        return sum(member.accepted for member in self.members) / drafted if drafted else None

    @property
    def preemptions(self) -> int:
        return sum(member.preempted for member in self.members)

    @property
    def done(self) -> bool:
        return all(member.state in ("done", "failed") for member in self.members)
