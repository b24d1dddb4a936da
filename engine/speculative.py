"""The cycle: the drafter proposes, the target verifies it in one forward, the kept tokens and one more are emitted.

Baseline is the same cycle at depth 0. Pieces of prompts ride along in the same forward.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass, replace

import torch

from .clock import HostClock, clock_of
from .costs import Costs
from .drafters.base import Drafter, Proposal
from .errors import OutOfMemory
from .events import Drafted, Emitted, Origin
from .models.paged import PagedModel, Span
from .models.threads import SMALL, limited
from .models.tokenizer import Tokenizer
from .pacing import NO_DRAFT, Depth, Lesson, Pacer
from .scoring import Told, bring, score, to_host, weigh
from .sequence import Sequence
from .shortage import is_out_of_memory


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What one sequence does in a step: compute `rows` of its pending tokens and, if those are all, draft and emit."""

    sequence: Sequence
    rows: int
    emits: bool
    depth: Depth = NO_DRAFT


@dataclass(frozen=True, slots=True)
class Round:
    """What one cycle did for one sequence."""

    sequence: Sequence
    depth: Depth
    drafted: tuple[Drafted, ...]
    accepted: int
    emitted: tuple[Emitted, ...]
    given_back: list[int]
    """Blocks held while the drafted tokens were in flight, and no longer."""
    prompt_rows: int


@dataclass(frozen=True, slots=True)
class Rounds:
    """One step of all running sequences: one target forward."""

    rounds: list[Round]
    """Of those that emitted."""
    batch: int
    """Sequences in the forward."""
    draft_seconds: float
    verify_seconds: float
    seconds: float


class Speculator:
    """Runs cycles for sequences over a target and, if there is one, a drafter."""

    def __init__(
        self,
        target: PagedModel,
        drafter: Drafter | None,
        tokenizer: Tokenizer | None,
        wait: Callable[[], None],
        costs: Costs | None = None,
    ) -> None:
        """`wait` returns when the device has done its work: the seconds of a phase are measured at its end.

        A padded target is not waited for in between: its cycle's seconds are shared out by what was expected.
        `costs` are needed for depth "auto"; without them that means as deep as possible.
        """
        self.target = target
        self.drafter = drafter
        # Where reading one probability back stalls the device, a draft is not ended early.
        watch = target.device.type == "cpu" and not target.padded
        self.pacer = Pacer(drafter, target.allocator, costs, watch=watch)
        self._tokenizer = tokenizer
        self._clock = HostClock(lambda: None) if target.padded else clock_of(target.device, wait)

    def cycle(self, shares: Items[Share]) -> Rounds:
        """One draft-verify-accept round of every sequence that emits, and a piece of every other's prompt.

        The caller has made room in the target's pool. When it fails, every sequence is as it was before, so that the
        same cycle can be tried again; only the KV of prompts that was computed stays.
        """
        try:
            return self._cycle(shares)
        except BaseException:
            for share in shares:
                self._undo(share.sequence)
            raise

    def _cycle(self, shares: Items[Share]) -> Rounds:
        start, began = time.perf_counter(), self._clock.mark()
        proposals = self._propose(shares)
        drafted_at = self._clock.mark()
        spans = [self._span(share, proposals.get(share.sequence.id)) for share in shares]
        logits = self.target.forward(spans)
        verified_at = self._clock.mark()
        self._read_along([share.sequence for share in shares if not share.emits])
        emitting = [share for share in shares if share.emits]
        parts = logits.split([span.keep for span in spans])
        with limited(1 if logits.numel() <= SMALL else None):
            weighed = [
                weigh(share.sequence, rows, proposals.get(share.sequence.id))
                for share, rows in zip(shares, parts, strict=True)
                if share.emits
            ]
            if self.target.padded:
                weighed = bring(weighed)
            told = to_host(score(share.sequence, each) for share, each in zip(emitting, weighed, strict=True))
        # From here on nothing asks the device for memory: a token that was taken is told of.
        rounds = [self._accept(*each) for each in zip(emitting, told, strict=True)]
        draft_seconds = self._clock.seconds(began, drafted_at)
        verify_seconds = self._clock.seconds(drafted_at, verified_at)
        lessons = [Lesson(r.sequence, r.depth.source, [d.q for d in r.drafted], r.accepted) for r in rounds]
        if self.target.padded:
            draft_seconds, verify_seconds = self.pacer.split(lessons, time.perf_counter() - start)
        self.pacer.learn(lessons)
        if lessons and sum(share.rows for share in shares) == len(lessons):
            self.pacer.time(lessons, draft_seconds, verify_seconds, time.perf_counter() - start)
        return Rounds(rounds, len(shares), draft_seconds, verify_seconds, time.perf_counter() - start)

    def release(self, sequence: Sequence) -> None:
        """Give back all blocks of a sequence, the draft's too."""
        sequence.table.release()
        if self.drafter:
            self.drafter.release(sequence)

    def _propose(self, shares: Items[Share]) -> dict[int, Proposal]:
        drafting = [(share.sequence, share.depth) for share in shares if share.depth.tokens]
        if not drafting or self.drafter is None:
            return {}
        try:
            depths = [depth.tokens for _, depth in drafting]
            proposals = self.drafter.propose([s for s, _ in drafting], depths, [depth.enough for _, depth in drafting])
        except OutOfMemory:
            for sequence, _ in drafting:
                self._undo(sequence)
            return {}  # A draft without room is no reason to fail: this cycle is a plain one.
        return {s.id: proposal for (s, _), proposal in zip(drafting, proposals, strict=True)}

    def _undo(self, sequence: Sequence) -> None:
        """Forget what a cycle did that did not come to its end."""
        sequence.table.rollback(len(sequence.tokens) - 1)
        sequence.dice.rewind()
        if self.drafter:
            self.drafter.observe(sequence)

    def _span(self, share: Share, proposal: Proposal | None) -> Span:
        """Of a prompt that goes on, one row of logits is kept and nobody looks at it."""
        start = share.sequence.table.length
        new = share.sequence.tokens[start : start + share.rows]
        tokens = torch.tensor(new, dtype=torch.long)
        return Span(share.sequence.table, tokens, _keep(proposal), proposal.tokens if proposal else None)

    def _read_along(self, sequences: Items[Sequence]) -> None:
        """Offer to others what was computed of prompts that go on, and let the draft read it too."""
        for sequence in sequences:
            sequence.table.publish(sequence.tokens)
        drafting = [s for s in sequences if s.depth]
        if self.drafter and drafting:
            try:
                self.drafter.advance(drafting)
            except Exception as error:  # It will read it before it drafts.
                if not is_out_of_memory(error):
                    raise

    def _accept(self, share: Share, told: Told) -> Round:
        sequence, depth = share.sequence, len(told.drafts)
        sequence.dice.settle()
        last: Origin = "plain" if depth == 0 else "bonus" if told.accepted == depth else "correction"
        origins: list[Origin] = ["draft"] * told.accepted
        emitted = sequence.accept(told.kept, [*origins, last], told.chances)
        if told.raw:
            emitted = [replace(e, logprob=told.logprob(i), top=told.likeliest(i)) for i, e in enumerate(emitted)]
        # A stop within the kept tokens ends the text there: what follows was kept by nobody.
        accepted = min(told.accepted, len(emitted))
        counts = sequence.counts
        counts.cycles += 1
        counts.drafted += depth
        counts.accepted += accepted
        given_back = sequence.table.rollback(len(sequence.tokens) - 1)
        sequence.table.publish(sequence.tokens)
        if self.drafter:
            self.drafter.observe(sequence)
        shown = tuple(
            Drafted(token, self._piece(token), told.q[i], told.p[i], i < accepted)
            for i, token in enumerate(told.drafts)
        )
        aimed = replace(share.depth, tokens=depth) if share.depth.enough else share.depth
        return Round(sequence, aimed, shown, accepted, tuple(emitted), given_back, share.rows - 1)

    def _piece(self, token: int) -> str:
        return self._tokenizer.piece(token) if self._tokenizer else ""


def _keep(proposal: Proposal | None) -> int:
    """Rows of logits that are wanted: one a draft, and one more."""
    return len(proposal.tokens) + 1 if proposal else 1
