"""Which sequences run in this step, and how much of their prompts: the newest of least priority gives way.

Knows blocks and sequences, no tensor. Nothing is lost by preemption: a sequence keeps its tokens, waits for its turn,
and computes its KV again (most of it is usually still in the prefix index).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .errors import OutOfMemory
from .kv.blocks import BLOCK_SIZE, BlockAllocator, pool_full
from .sequence import Sequence

PATIENCE = 4
"""Being overtaken this often weighs as much as one more priority: nobody waits for ever."""


class Scheduler:
    def __init__(self, allocator: BlockAllocator, max_running: int) -> None:
        self._allocator = allocator
        self._max_running = self._allowed = max_running
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        """By priority, then oldest first: the last gives way."""

    def __iter__(self) -> Iterator[Sequence]:
        return iter([*self.running, *self.waiting])

    def __len__(self) -> int:
        return len(self.running) + len(self.waiting)

    def add(self, sequence: Sequence) -> None:
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        (self.running if sequence in self.running else self.waiting).remove(sequence)
        self._allowed = self._max_running

    def preempt(self, sequence: Sequence) -> None:
        """Back to those that wait. Its blocks are the caller's to give back."""
        self.running.remove(sequence)
        self.waiting.append(sequence)

    def preempt_last(self) -> Sequence:
        """The last gives way; until one has finished, no more run together than are left."""
        victim = self.running[-1]
        self.preempt(victim)
        self._allowed = len(self.running)
        return victim

    def admit(self) -> list[Sequence]:
        """Start waiting sequences while there is room for their text; each takes what the prefix index has of it."""
        started = []
        while len(self.running) < self._allowed and (sequence := self._next()):
            self.waiting.remove(sequence)
            for other in self.waiting:
                other.overtaken += other.id < sequence.id
            self.running.append(sequence)
            self.running.sort(key=lambda s: (-s.request.priority, s.id))
            started.append(sequence)
        return started

    def portions(self, chunk: int) -> dict[int, int]:
        """Tokens each running sequence computes in this step: of prompts, at most `chunk` together.

        They share evenly and what a short one leaves goes to the longer ones, so a long prompt never holds up a short
        one, and each moves in every step. Where half a chunk ends as many prompts, half it is: their first tokens do
        not wait for what is left of the others.
        """
        prompts = sorted((s for s in self.running if s.pending > 1), key=lambda s: s.pending)
        whole, half = _share_out(prompts, chunk), _share_out(prompts, chunk // 2)
        ending = [sum(part[s.id] == s.pending for s in prompts) for part in (whole, half)]
        return {s.id: 1 for s in self.running} | (half if ending[0] == ending[1] > 0 else whole)

    def make_room(
        self,
        rows: Callable[[Sequence], int],
        give_back: Callable[[Sequence], None],
    ) -> tuple[list[Sequence], list[Sequence], list[tuple[Sequence, OutOfMemory]]]:
        """See that every running sequence can append `rows(sequence)` tokens, the first to give way last.
        Drafts are not among them: nobody gives way to a guess.

        Returns those that can, those preempted for them (`give_back` frees their blocks), and those that can never.
        """
        able: list[Sequence] = []
        preempted: list[Sequence] = []
        failed: list[tuple[Sequence, OutOfMemory]] = []
        promised = 0
        for sequence in list(self.running):
            while sequence in self.running:
                need = sequence.table.missing(rows(sequence))
                if promised + need <= self._allocator.available:
                    promised += need
                    able.append(sequence)
                    break
                victim = self.running[-1]
                if victim is sequence and len(self.running) == 1:
                    failed.append((sequence, pool_full(self._allocator.total)))
                    break
                give_back(victim)
                self.preempt(victim)
                preempted.append(victim)
        return able, preempted, failed

    def room_for(self, able: list[Sequence], rows: dict[int, int], drafts: dict[int, int]) -> dict[int, int]:
        """How many of `drafts` more tokens each has room for, when every one of `able` has appended its `rows`.

        Where that is less than all want, the deepest draft is cut first, by a block.
        """
        depths = dict(drafts)

        def blocks(s: Sequence, depth: int) -> int:
            return s.table.missing(rows[s.id] + depth)

        spare = self._allocator.available - sum(blocks(s, 0) for s in able)
        taking = [s for s in able if depths.get(s.id)]
        wanted = sum(blocks(s, depths[s.id]) - blocks(s, 0) for s in taking)
        while wanted > spare:
            deepest = max(taking, key=lambda s: (blocks(s, depths[s.id]) > blocks(s, 0), depths[s.id]))
            before = blocks(deepest, depths[deepest.id])
            while blocks(deepest, depths[deepest.id]) == before:
                depths[deepest.id] -= 1
            wanted -= 1
        return depths

    def _next(self) -> Sequence | None:
        """Whose turn it is, its table filled from the prefix index. One that lacks room is not overtaken."""
        owed = sum(s.table.missing(s.pending) for s in self.running)
        for sequence in sorted(self.waiting, key=_turn):
            if sequence.resting:
                continue
            sequence.table.reuse(sequence.tokens[:-1])
            if self._comes_after(sequence, self.running):
                sequence.table.release()
                continue
            if (
                self.running
                and sequence.table.missing(sequence.pending + BLOCK_SIZE) + owed > self._allocator.available
            ):
                sequence.table.release()
                return None
            return sequence
        return None

    def _comes_after(self, sequence: Sequence, running: Iterable[Sequence]) -> bool:
        """Whether a running prompt is about to compute the next block of this text: nothing is computed twice."""
        end = sequence.table.length + BLOCK_SIZE
        if not self._allocator.remembers or end >= len(sequence.tokens):
            return False
        stem = sequence.tokens[:end]
        return any(s.table.length < end and s.tokens[:end] == stem for s in running)


def _share_out(prompts: list[Sequence], chunk: int) -> dict[int, int]:
    """A chunk among prompts, the shortest first."""
    portions = {}
    for place, sequence in enumerate(prompts):
        portions[sequence.id] = min(sequence.pending, max(1, chunk // (len(prompts) - place)))
        chunk -= portions[sequence.id]
    return portions


def _turn(sequence: Sequence) -> tuple[float, int]:
    """Orders those that wait."""
    return -(sequence.request.priority + sequence.overtaken / PATIENCE), sequence.id
