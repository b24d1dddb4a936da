"""How deep each sequence drafts in a cycle, and what the cycle then taught."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, replace

from .config import Depth as Asked
from .costs import Costs
from .depth import Choice, DepthController, Pace, Wish, share_out
from .drafters.base import Drafter, Enough, Plan
from .events import DraftSource
from .kv.blocks import BlockAllocator
from .sequence import Sequence


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep a sequence's next cycle goes, and why."""

    tokens: int
    source: DraftSource | None = None
    reason: str = ""
    enough: Enough | None = None
    """Ends the draft before that."""

    def at_most(self, tokens: int) -> Depth:
        """The same where only so many have room."""
        return self if self.tokens <= tokens else replace(self, tokens=tokens)


NO_DRAFT = Depth(0)
STRETCH = 4
"""Tokens beyond the chosen depth that a sure draft may go on for."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a cycle did with one sequence's drafts."""

    sequence: Sequence
    source: DraftSource | None
    chances: Items[float]
    """The draft's probability of each token."""
    accepted: int

    @property
    def drafted(self) -> int:
        return len(self.chances)


class Pacer:
    """Without `costs`, depth "auto" means as deep as possible. With `watch`, drafts on "auto" end early."""

    def __init__(
        self, drafter: Drafter | None, allocator: BlockAllocator, costs: Costs | None, *, watch: bool = False
    ) -> None:
        self._drafter = drafter
        self._allocator = allocator
        self._costs = costs
        self._watch = watch
        self._paces: dict[tuple[DraftSource, bool], Pace] = {}
        """By source and by whether it is greedy: a drawn token of the same probability fares otherwise."""

    def depths(self, sequences: Items[Sequence], budget: int) -> list[Depth]:
        """How deep each may go, of those that will emit in this cycle.

        Nothing past the context or max_tokens is worth it, nor what has no room. A depth that was asked for is kept;
        those on "auto" share what it leaves of `budget` rows.
        """
        # Read once: another thread may change it at any time.
        asked = [s.depth for s in sequences]
        plans = [self._plan(s, depth) for s, depth in zip(sequences, asked, strict=True)]
        depths = [Depth(plan.limit, plan.source) if plan else NO_DRAFT for plan in plans]
        auto = [i for i, plan in enumerate(plans) if plan and asked[i] == "auto"]
        if self._costs is None or not auto:
            return depths
        wishes = [Wish(self._controller(sequences[i], depths[i].source), depths[i].tokens) for i in auto]
        fixed = [d.tokens + 1 for i, d in enumerate(depths) if i not in auto]
        choices = share_out(wishes, self._costs, budget, sum(fixed), len(fixed))
        for i, choice in zip(auto, choices, strict=True):
            depths[i] = self._aimed(sequences[i], depths[i], choice, alone=len(sequences) == 1)
        return depths

    def learn(self, lessons: Items[Lesson]) -> None:
        """What was accepted."""
        for lesson in lessons:
            if lesson.drafted and self._costs is not None:
                self._controller(lesson.sequence, lesson.source).observe(lesson.chances, lesson.accepted)

    def time(self, lessons: Items[Lesson], draft_seconds: float, verify_seconds: float, seconds: float) -> None:
        """What a cycle without prompt tokens cost, in all and for its forwards."""
        if self._costs is None:
            return
        drafting = sum(lesson.drafted > 0 for lesson in lessons)
        if drafting in (0, len(lessons)):
            rest = max(0.0, seconds - draft_seconds - verify_seconds)
            self._costs.rest.learn(drafting > 0, rest / len(lessons))
        rows = sum(lesson.drafted + 1 for lesson in lessons)
        by_model = [lesson.drafted for lesson in lessons if lesson.source == "model"]
        if len(lessons) == 1:
            self._costs.observe(rows, verify_seconds, sum(by_model), draft_seconds)
        else:
            steps = [sum(drafted > step for drafted in by_model) for step in range(max(by_model, default=0))]
            self._costs.observe_batch(rows, len(lessons), verify_seconds, steps, draft_seconds)

    def split(self, lessons: Items[Lesson], seconds: float) -> tuple[float, float]:
        """A cycle's seconds as those of its drafting and of the rest, by what each was expected to take."""
        if self._costs is None or not lessons:
            return 0.0, seconds
        draft = self._costs.draft * max((r.drafted for r in lessons if r.source == "model"), default=0)
        verify = self._costs.verify(sum(lesson.drafted + 1 for lesson in lessons), len(lessons))
        return seconds * draft / (draft + verify), seconds * verify / (draft + verify)

    def _aimed(self, sequence: Sequence, limit: Depth, choice: Choice, *, alone: bool) -> Depth:
        """The choice; a draft that is watched may go on beyond it while it is sure of itself."""
        if not (choice.depth and self._watch and limit.source == "model"):
            return Depth(choice.depth, limit.source, choice.reason)
        depth = min(limit.tokens, choice.depth + STRETCH) if alone else choice.depth
        enough = self._controller(sequence, limit.source).enough(choice)
        return Depth(depth, limit.source, choice.reason, enough)

    def _plan(self, sequence: Sequence, asked: Asked) -> Plan | None:
        """Who would draft how much for a sequence; None where nobody could draft anything."""
        limit = sequence.room - 1
        if asked != "auto":
            limit = min(limit, asked)
        if self._drafter is None or limit <= 0:
            return None
        plan = self._drafter.plan(sequence)
        limit = min(limit, plan.limit)
        while limit > 0 and sequence.table.missing(sequence.pending + limit) > self._allocator.available:
            limit -= 1
        return Plan(plan.source, limit)

    def _controller(self, sequence: Sequence, source: DraftSource | None) -> DepthController:
        assert source is not None
        assert self._costs is not None
        if source not in sequence.controllers:
            kind = (source, sequence.request.sampling.greedy)
            if kind not in self._paces:
                self._paces[kind] = Pace(self._costs, free=source == "ngram")
            sequence.controllers[source] = DepthController(self._paces[kind])
        return sequence.controllers[source]
