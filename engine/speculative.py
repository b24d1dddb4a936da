"""The cycle: the drafter proposes, the target verifies it in one forward, the kept tokens and one more are emitted.

Baseline is the same cycle at depth 0. Prompt tokens that are still pending ride along in the same forward.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .drafters.model import Proposal
from .errors import OutOfMemory
from .events import Drafted, Emitted, Origin
from .models.paged import PagedModel, Span
from .models.tokenizer import Tokenizer
from .sampling import distribution, penalise, seen_rows
from .sequence import Sequence
from .verify import Verdict, verify, verify_greedy


class Drafter(Protocol):
    """Anything that proposes tokens."""

    def limit(self, sequence: Sequence) -> int:
        """How deep it can draft for this sequence now."""
        ...

    def advance(self, sequence: Sequence) -> None:
        """Read at most one chunk of a long prompt."""
        ...

    def propose(self, sequences: Items[Sequence], depths: Items[int]) -> list[Proposal]:
        """Draft `depths[i]` >= 1 tokens for each sequence."""
        ...

    def observe(self, sequence: Sequence) -> None:
        """The sequence's tokens are decided."""
        ...

    def release(self, sequence: Sequence) -> None:
        """The sequence is finished or gives its blocks back."""
        ...


@dataclass(frozen=True, slots=True)
class Round:
    """What one cycle did for one sequence."""

    sequence: Sequence
    depth: int
    drafted: tuple[Drafted, ...]
    accepted: int
    emitted: tuple[Emitted, ...]
    peak_blocks: int
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
    ) -> None:
        """`wait` returns when the device has done its work: the seconds of a phase are measured at its end."""
        self.target = target
        self.drafter = drafter
        self._tokenizer = tokenizer
        self._wait = wait

    def depth(self, sequence: Sequence) -> int:
        """How deep this cycle may go: nothing past the context or max_tokens is worth it, nor what has no room."""
        wanted = min(sequence.depth, sequence.room - 1)
        if self.drafter is None or wanted <= 0:
            return 0
        depth = min(wanted, self.drafter.limit(sequence))
        while depth > 0 and sequence.table.missing(sequence.pending + depth) > self.target.allocator.available:
            depth -= 1
        return depth

    def prefill(self, sequence: Sequence, count: int) -> None:
        """Compute the KV of the next `count` pending tokens, which must leave at least one pending."""
        start = sequence.table.length
        self.target.forward([Span(sequence.table, self._ids(sequence.tokens[start : start + count]), 1)])
        sequence.table.publish(sequence.tokens)
        if self.drafter and sequence.depth:
            self.drafter.advance(sequence)

    def cycle(self, sequences: Items[Sequence], depths: Items[int]) -> Rounds:
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
        peaks = [len(s.table.blocks) for s in sequences]
        self._wait()
        verified_at = time.perf_counter()
        scored = []
        at = 0
        for sequence, span in zip(sequences, spans, strict=True):
            scored.append(self._verify(sequence, logits[at : at + span.keep], proposals.get(sequence.id)))
            at += span.keep
        told = _to_host([s.flat() for s in scored])
        rounds = [
            self._accept(sequence, values, new, peak)
            for sequence, values, new, peak in zip(sequences, told, rows, peaks, strict=True)
        ]
        return Rounds(rounds, drafted_at - start, verified_at - drafted_at, time.perf_counter() - start)

    def release(self, sequence: Sequence) -> None:
        """Give back all blocks of a sequence, the draft's too."""
        sequence.table.release()
        if self.drafter:
            self.drafter.release(sequence)

    def _propose(self, sequences: Items[Sequence], depths: Items[int]) -> dict[int, Proposal]:
        drafting = [(s, d) for s, d in zip(sequences, depths, strict=True) if d]
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
        q = proposal.q if proposal and proposal.q is not None else p[:0]
        verdict = verify(p, q, drafts, sequence.uniforms(depth + 1), sequence.request.speculation.verifier)
        return _Scored(drafts, verdict, chance, p[:depth].gather(1, drafts[:, None]).squeeze(1))

    def _accept(self, sequence: Sequence, told: list[float], rows: int, peak: int) -> Round:
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
        sequence.table.rollback(min(sequence.table.length, len(sequence.tokens) - 1))
        sequence.table.publish(sequence.tokens)
        if self.drafter:
            self.drafter.observe(sequence)
        shown = tuple(Drafted(token, self._piece(token), q[i], p[i], i < accepted) for i, token in enumerate(drafts))
        return Round(sequence, sequence.depth, shown, accepted, tuple(emitted), peak, rows - 1)

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
