"""The engine's loop: what one step does with all requests that are there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import RLock

from . import reporting
from .config import EngineConfig
from .devices import Device, give_back, peak_memory, read_memory
from .errors import HelixError, OutOfMemory
from .events import Event, FinishReason, Measure, MemoryRead, Preempted, PreemptReason
from .pacing import NO_DRAFT, Depth
from .scheduler import Scheduler
from .sequence import Sequence
from .shortage import Restraint, is_out_of_memory
from .speculative import Share, Speculator

MEMORY_EVERY = 0.5
"""Seconds between readings of device memory."""


class Loop:
    """`step` and `retire` are for whoever holds `lock`; everything else may be called from any thread, at once."""

    def __init__(
        self, speculator: Speculator, device: Device, config: EngineConfig, unclaimed: Callable[[Event], None]
    ) -> None:
        """Events of sequences without an outbox go to `unclaimed`."""
        self.lock = RLock()
        self._door = RLock()
        """Held for a moment: who is live has arrived as well."""
        self._stepping = False
        self._speculator = speculator
        self._device = device
        self._config = config
        self._unclaimed = unclaimed
        self._allocator = speculator.target.allocator
        self._scheduler = Scheduler(self._allocator, config.max_running)
        self._arrivals: deque[Sequence] = deque()
        self._live: dict[int, Sequence] = {}
        self._memory_read = 0.0
        self._restraint = Restraint()

    @property
    def live(self) -> list[Sequence]:
        """All that have not finished."""
        return list(self._live.values())

    def find(self, request: int) -> Sequence | None:
        return self._live.get(request)

    def add(self, sequence: Sequence) -> None:
        """From the next step on. Does not take `lock`: whoever asks never waits for a step that runs."""
        with self._door:
            self._live[sequence.id] = sequence
            self._arrivals.append(sequence)

    def step(self) -> bool:
        """Obey, admit, one forward for all. False when there was nothing to do but wait for readers."""
        self._stepping = True
        try:
            return self._step()
        finally:
            self._sweep()
            self._stepping = False

    def leave(self, sequence: Sequence) -> None:
        """Nobody reads this one any more. In the middle of a step, where the garbage collector may call this from the
        very thread that steps, it is only marked."""
        if self._stepping:
            sequence.cancelled = True
        else:
            self.retire(sequence, "cancelled")

    def _step(self) -> bool:
        self._take_in()
        before = len(self._live)
        self._sweep()
        for sequence in [s for s in self._scheduler.running if s.resting]:
            self._preempt(sequence, "reader")
        for sequence in self._scheduler.admit():
            if not sequence.started:
                sequence.started = True
                sequence.cached = sequence.table.length
                self._emit(sequence, reporting.started(sequence, self._allocator))
        ran = bool(self._scheduler.running)
        try:
            self._cycle()
        except Exception as error:
            self._recover(error)
        if not self._live:
            self._restraint = Restraint()
        self._read_memory()
        return ran or len(self._live) < before

    def retire(self, sequence: Sequence, reason: FinishReason) -> None:
        """Finish now, keeping what was said; the blocks are free at once."""
        self._take_in()
        if sequence.id in self._live:
            sequence.finish(reason)
            self._remove(sequence)
            self._emit(sequence, reporting.finished(sequence, self._allocator, peak_memory(self._device)))

    def fail(self, sequence: Sequence, error: Exception) -> None:
        self._take_in()
        self._remove(sequence)
        self._emit(sequence, reporting.failed(sequence.id, error))

    def close(self) -> None:
        """Cancel everything and let go of the models."""
        for sequence in self.live:
            self.retire(sequence, "cancelled")
        del self._speculator

    def _sweep(self) -> None:
        for sequence in list(self._scheduler):
            if sequence.cancelled:
                self.retire(sequence, "cancelled")

    def _take_in(self) -> None:
        with self._door:
            while self._arrivals:
                self._scheduler.add(self._arrivals.popleft())

    def _cycle(self) -> None:
        portions = self._scheduler.portions(self._restraint.chunk(self._config.prefill_chunk))
        able, preempted, failed = self._scheduler.make_room(lambda s: portions[s.id], self._speculator.release)
        for sequence in preempted:
            self._emit(sequence, Preempted(sequence.id))
        for sequence, error in failed:
            self.fail(sequence, error)
        if not able:
            return
        depths = self._depths(able, portions)
        rounds = self._speculator.cycle(
            [Share(s, portions[s.id], s.id in depths, depths.get(s.id, NO_DRAFT)) for s in able]
        )
        for sequence in able:
            if not sequence.prefilled:
                sequence.prefill_seconds += rounds.draft_seconds + rounds.verify_seconds
        for round in rounds.rounds:
            sequence = round.sequence
            if not sequence.prefilled:
                sequence.prefilled = True
                self._emit(sequence, reporting.prefilled(sequence, self._allocator))
            self._emit(sequence, reporting.cycle(round, rounds, self._allocator))
            if sequence.reason:
                self.retire(sequence, sequence.reason)
        self._restraint.passed()

    def _depths(self, able: list[Sequence], portions: dict[int, int]) -> dict[int, Depth]:
        """Of those that emit, by their numbers."""
        emitting = [s for s in able if portions[s.id] == s.pending]
        if self._restraint.strict:
            return {s.id: NO_DRAFT for s in emitting}
        chosen = self._speculator.pacer.depths(emitting, self._config.row_budget)
        room = self._scheduler.room_for(able, portions, {s.id: d.tokens for s, d in zip(emitting, chosen, strict=True)})
        return {s.id: depth.at_most(room[s.id]) for s, depth in zip(emitting, chosen, strict=True)}

    def _preempt(self, sequence: Sequence, reason: PreemptReason) -> None:
        self._scheduler.preempt(sequence)
        self._speculator.release(sequence)
        self._emit(sequence, Preempted(sequence.id, reason))

    def _recover(self, error: Exception) -> None:
        """A step failed. For want of memory go without something, then run fewer; who is alone fails. In any other
        case what ran has failed."""
        running = self._scheduler.running
        error.__traceback__ = None  # Its frames hold the tensors of the step.
        if is_out_of_memory(error):
            if self._relieve():
                return
            if len(running) > 1:
                victim = self._scheduler.preempt_last()
                self._speculator.release(victim)
                self._emit(victim, Preempted(victim.id, "device"))
                self._tell_all(reporting.shortage("fewer", len(running)))
                return
            error = OutOfMemory("The device is out of memory; shorten the chat, or choose a smaller model or dtype.")
        elif not isinstance(error, HelixError):
            error = HelixError(f"The model failed ({type(error).__name__}: {error}); ask again or load another model.")
        for sequence in list(running):
            self.fail(sequence, error)

    def _relieve(self) -> bool:
        """The next measure against a shortage; False when there is none but to run fewer."""
        if not self._restraint.tighten():
            return False
        measure: Measure = "restrained" if self._restraint.strict else "returned"
        give_back(self._device)
        self._tell_all(reporting.shortage(measure, len(self._scheduler.running)))
        return True

    def _remove(self, sequence: Sequence) -> None:
        self._scheduler.remove(sequence)
        self._speculator.release(sequence)
        del self._live[sequence.id]

    def _emit(self, sequence: Sequence, event: Event) -> None:
        if sequence.outbox is None:
            self._unclaimed(event)
        else:
            sequence.outbox.put(event)

    def _read_memory(self) -> None:
        now = time.monotonic()
        if self._live and now - self._memory_read >= MEMORY_EVERY:
            self._memory_read = now
            self._tell_all(MemoryRead(read_memory(self._device)))

    def _tell_all(self, event: Event) -> None:
        """What concerns no single request, once to each reader."""
        boxes = {id(s.outbox): s.outbox for s in self.live}
        for box in boxes.values():
            if box is None:
                self._unclaimed(event)
            else:
                box.put(event)
