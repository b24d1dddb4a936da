"""Which sequences run in this step: first come, first served; the newest gives way when the pool is full.

Knows blocks and sequences, no tensor. Nothing is lost by preemption: a sequence keeps its tokens, waits at the head of
the queue, and computes its KV again (most of it is usually still in the prefix index).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from .errors import OutOfMemory
from .kv.blocks import BLOCK_SIZE, BlockAllocator, pool_full
from .sequence import Sequence


class Scheduler:
    def __init__(self, allocator: BlockAllocator, max_running: int) -> None:
        self._allocator = allocator
        self._max_running = self._allowed = max_running
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        """Oldest first."""

    def __iter__(self) -> Iterator[Sequence]:
        return iter([*self.running, *self.waiting])

    def __len__(self) -> int:
        return len(self.running) + len(self.waiting)

    def add(self, sequence: Sequence) -> None:
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        if sequence in self.running:
            self.running.remove(sequence)
        else:
            self.waiting.remove(sequence)
        self._allowed = self._max_running

    def preempt_newest(self) -> Sequence:
        """The newest goes back to the queue; until one has finished, no more run together than are left."""
        victim = self.running.pop()
        self.waiting.appendleft(victim)
        self._allowed = len(self.running)
        return victim

    def admit(self) -> list[Sequence]:
        """Start waiting sequences while there is room for their text; each takes what the prefix index has of it."""
        started = []
        while self.waiting and len(self.running) < self._allowed:
            sequence = self.waiting[0]
            sequence.table.reuse(sequence.tokens[:-1])
            if self.running and sequence.table.missing(sequence.pending + BLOCK_SIZE) > self._allocator.available:
                sequence.table.release()
                break
            self.waiting.popleft()
            self.running.append(sequence)
            started.append(sequence)
        return started

    def make_room(
        self,
        sequences: list[Sequence],
        rows: Callable[[Sequence], int],
        give_back: Callable[[Sequence], None],
    ) -> tuple[list[Sequence], list[Sequence], list[tuple[Sequence, OutOfMemory]]]:
        """See that every sequence can append `rows(sequence)` tokens, oldest first.

        Returns those that can, those preempted for them (`give_back` frees their blocks), and those that can never.
        """
        able: list[Sequence] = []
        preempted: list[Sequence] = []
        failed: list[tuple[Sequence, OutOfMemory]] = []
        promised = 0
        for sequence in sequences:
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
                self.running.remove(victim)
                self.waiting.appendleft(victim)
                preempted.append(victim)
        return able, preempted, failed
