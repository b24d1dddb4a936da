"""The cycle: the drafter proposes, the target verifies it in one forward, the kept tokens and one more are emitted.

Baseline is the same cycle at depth 0. Prompt tokens that are still pending ride along in the same forward.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence as Items
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from .depth import Costs, DepthController, Pace
from .drafters.base import Drafter, Proposal
from .errors import OutOfMemory
from .events import Drafted, DraftSource, Emitted, Origin
from .models.paged import PagedModel, Span
from .models.tokenizer import Tokenizer
from .sampling import distribution, penalise, seen_rows
from .sequence import Sequence
from .verify import Verdict, verify, verify_greedy


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep a sequence's next cycle goes, and why."""

    tokens: int
    source: DraftSource | None = None
    reason: str = ""


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
    draft_seconds: float
    verify_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Scored:
    """Verification of one sequence, still on the device."""

    drafts: Tensor
    verdict: Verdict
    q: Tensor
    p: Tensor

    def flat(self) -> Tensor:
        """Everything the host wants to know, as one tensor: float32 holds token ids exactly up to 2**24."""
        parts = (self.verdict.accepted.reshape(1), self.verdict.next.reshape(1), self.drafts, self.q, self.p)
        return torch.cat([part.float() for part in parts])


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

        `costs` are needed for depth "auto"; without them that means as deep as possible.
        """
        self.target = target
        self.drafter = drafter
        self._tokenizer = tokenizer
        self._wait = wait
        self._costs = costs
        self._paces: dict[DraftSource, Pace] = {}
        if costs is not None:
            self._paces = {"model": Pace(costs), "ngram": Pace(costs, free=True)}

    def depth(self, sequence: Sequence) -> Depth:
        """How deep this cycle may go: nothing past the context or max_tokens is worth it, nor what has no room."""
        limit = sequence.room - 1
        asked = sequence.depth  # Read once: another thread may change it at any time.
        if asked != "auto":
            limit = min(limit, asked)
        if self.drafter is None or limit <= 0:
            return Depth(0)
        plan = self.drafter.plan(sequence)
        limit = min(limit, plan.limit)
        while limit > 0 and sequence.table.missing(sequence.pending + limit) > self.target.allocator.available:
            limit -= 1
        if asked != "auto" or self._costs is None:
            return Depth(limit, plan.source)
        choice = self._controller(sequence, plan.source).choose(limit)
        return Depth(choice.depth, plan.source, choice.reason)

    def _controller(self, sequence: Sequence, source: DraftSource) -> DepthController:
        if source not in sequence.controllers:
            sequence.controllers[source] = DepthController(self._paces[source])
        return sequence.controllers[source]

    def prefill(self, sequence: Sequence, count: int) -> None:
        """Compute the KV of the next `count` pending tokens, which must leave at least one pending."""
        start = sequence.table.length
        self.target.forward([Span(sequence.table, self._ids(sequence.tokens[start : start + count]), 1)])
        sequence.table.publish(sequence.tokens)
        if self.drafter and sequence.depth:
            with suppress(OutOfMemory):  # As in `_propose`.
                self.drafter.advance(sequence)

    def cycle(self, sequences: Items[Sequence], depths: Items[Depth]) -> Rounds:
        """One draft-verify-accept round of every sequence. The caller has made room in the target's pool."""
        start = time.perf_counter()
        proposals = self._propose(sequences, depths)
        drafted_at = time.perf_counter()
        rows, spans = [], []
        for sequence in sequences:
            new = self._ids(sequence.tokens[sequence.table.length :])
            proposal = proposals.get(sequence.id)
            rows.append(len(new))
            drafts = proposal.tokens if proposal else new[:0]
            spans.append(Span(sequence.table, torch.cat((new, drafts)), len(drafts) + 1))
        logits = self.target.forward(spans)
        self._wait()
        verified_at = time.perf_counter()
        scored = []
        at = 0
        for sequence, span in zip(sequences, spans, strict=True):
            scored.append(self._verify(sequence, logits[at : at + span.keep], proposals.get(sequence.id)))
            at += span.keep
        told = _to_host([s.flat() for s in scored])
        rounds = [
            self._accept(sequence, depth, values, new)
            for sequence, depth, values, new in zip(sequences, depths, told, rows, strict=True)
        ]
        self._learn(rounds, drafted_at - start, verified_at - drafted_at)
        return Rounds(rounds, drafted_at - start, verified_at - drafted_at, time.perf_counter() - start)

    def release(self, sequence: Sequence) -> None:
        """Give back all blocks of a sequence, the draft's too."""
        sequence.table.release()
        if self.drafter:
            self.drafter.release(sequence)

    def _propose(self, sequences: Items[Sequence], depths: Items[Depth]) -> dict[int, Proposal]:
        drafting = [(s, d.tokens) for s, d in zip(sequences, depths, strict=True) if d.tokens]
        if not drafting or self.drafter is None:
            return {}
        try:
            proposals = self.drafter.propose([s for s, _ in drafting], [d for _, d in drafting])
        except OutOfMemory:
            return {}  # A draft without room is no reason to fail: this cycle is a plain one.
        self._wait()
        return {s.id: proposal for (s, _), proposal in zip(drafting, proposals, strict=True)}

    def _verify(self, sequence: Sequence, logits: Tensor, proposal: Proposal | None) -> _Scored:
        """`logits` is `[depth + 1, vocab]`."""
        sampling = sequence.request.sampling
        drafts = proposal.tokens if proposal else torch.empty(0, dtype=torch.long, device=logits.device)
        depth = len(drafts)
        seen = seen_rows(sequence.seen, drafts)
        chance = proposal.chance if proposal else logits.new_empty(0, dtype=torch.float32)
        if sampling.greedy:
            logits = penalise(logits, sampling, seen)
            verdict = verify_greedy(logits.argmax(-1), drafts)
            told = logits[:depth].gather(1, drafts[:, None]).squeeze(1) - logits[:depth].logsumexp(-1)
            return _Scored(drafts, verdict, chance, told.exp())
        p = distribution(logits, sampling, seen)
        verifier = sequence.request.speculation.verifier
        q = proposal.q if proposal else p[:0]
        if q is None:
            q = torch.zeros_like(p[:depth]).scatter(1, drafts[:, None], 1.0)
            verifier = "token"
        verdict = verify(p, q, drafts, sequence.uniforms(depth + 1), verifier)
        return _Scored(drafts, verdict, chance, p[:depth].gather(1, drafts[:, None]).squeeze(1))

    def _learn(self, rounds: list[Round], draft_seconds: float, verify_seconds: float) -> None:
        """Tell the controllers what the cycle showed. Costs only of a cycle of one sequence without prompt tokens."""
        for round in rounds:
            if self._costs is not None and round.drafted and round.depth.source:
                controller = self._controller(round.sequence, round.depth.source)
                controller.observe(len(round.drafted), round.accepted)
        if self._costs is not None and len(rounds) == 1 and not rounds[0].prompt_rows:
            drafted = len(rounds[0].drafted)
            by_model = drafted if rounds[0].depth.source == "model" else 0
            self._costs.observe(drafted + 1, verify_seconds, by_model, draft_seconds)

    def _accept(self, sequence: Sequence, asked: Depth, told: list[float], rows: int) -> Round:
        depth = (len(told) - 2) // 3
        accepted, follower = int(told[0]), int(told[1])
        drafts = [int(t) for t in told[2 : 2 + depth]]
        q, p = told[2 + depth : 2 + 2 * depth], told[2 + 2 * depth :]
        last: Origin = "plain" if depth == 0 else "bonus" if accepted == depth else "correction"
        origins: list[Origin] = ["draft"] * accepted
        emitted = sequence.accept([*drafts[:accepted], follower], [*origins, last])
        # A stop within the kept tokens ends the text there: what follows was kept by nobody.
        accepted = min(accepted, len(emitted))
        counts = sequence.counts
        counts.cycles += 1
        counts.drafted += depth
        counts.accepted += accepted
        given_back = sequence.table.rollback(len(sequence.tokens) - 1)
        sequence.table.publish(sequence.tokens)
        if self.drafter:
            self.drafter.observe(sequence)
        shown = tuple(Drafted(token, self._piece(token), q[i], p[i], i < accepted) for i, token in enumerate(drafts))
        return Round(sequence, asked, shown, accepted, tuple(emitted), given_back, rows - 1)

    def _piece(self, token: int) -> str:
        return self._tokenizer.piece(token) if self._tokenizer else ""

    def _ids(self, tokens: list[int]) -> Tensor:
        return torch.tensor(tokens, dtype=torch.long, device=self.target.device)


def _to_host(parts: list[Tensor]) -> list[list[float]]:
    """One transfer for all sequences."""
    values: list[float] = torch.cat(parts).tolist()
    out, at = [], 0
    for part in parts:
        out.append(values[at : at + len(part)])
        at += len(part)
    return out
