"""The engine: requests in, one stream of events out. `stream` and `generate` are thin loops over submit and step."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Items
from functools import partial
from threading import RLock
from types import TracebackType
from typing import Any

from . import reporting
from .config import Depth, EngineConfig, check_depth
from .devices import peak_memory, read_memory, synchronize
from .drafters.base import Drafter
from .errors import HelixError, InvalidRequest, OutOfMemory
from .events import Cycle, Event, Failed, Finished, FinishReason, MemoryRead, Preempted
from .intake import make_drafter, sequence_of
from .models import load
from .models.timing import measure
from .request import Completion, Request
from .scheduler import Scheduler
from .sequence import Limits, Sequence
from .speculative import Speculator

MEMORY_EVERY = 0.5
"""Seconds between readings of device memory."""


class Engine:
    """Runs requests over one target and, if there is one, its draft.

    `step` must be driven by one thread at a time (a lock sees to it); everything else may be called from any thread.
    """

    def __init__(self, pair: load.Loaded, config: EngineConfig, drafter: Drafter | None = None) -> None:
        """`drafter` takes the place of the one that `config` names."""
        self._pair = pair
        self._config = config
        drafter = drafter or make_drafter(pair, config)
        wait = partial(synchronize, pair.device)
        context = min(pair.context, pair.draft_context or pair.context)
        costs = measure(pair.target, pair.draft, wait, context) if drafter else None
        self._speculator = Speculator(pair.target, drafter, pair.tokenizer, wait, costs)
        self._allocator = pair.target.allocator
        self._scheduler = Scheduler(self._allocator, config.max_running)
        self._limits = Limits(pair.context, pair.eos)
        self._lock = RLock()
        self._live: dict[int, Sequence] = {}
        self._mail: dict[int, deque[Event]] = {}
        self._unclaimed: list[Event] = []
        self._next_id = 1
        self._memory_read = 0.0
        self._closed = False
        self.loaded = reporting.loaded(pair, drafter.kind if drafter else None)

    @classmethod
    def load(
        cls,
        target: str | os.PathLike[str] = "bundled",
        draft: str | os.PathLike[str] | None = "auto",
        device: str = "auto",
        dtype: Any = None,
        progress: Callable[[Event], None] | None = None,
        **config: Any,
    ) -> Engine:
        """Load a pair: each is "bundled", a folder, or a hub id.

        `draft="auto"` is the bundled draft for the bundled target and none for others; `draft=None` runs without
        speculation. `dtype` is None (choose), "float32", "bfloat16" or "float16". `progress` gets Loading events and
        the Loaded one. `config` are the fields of EngineConfig. Raises a HelixError that says what to do.
        """
        unknown = set(config) - set(EngineConfig.__dataclass_fields__)
        if unknown:
            raise InvalidRequest(
                f"There is no setting {', '.join(sorted(unknown))}; see EngineConfig for those there are."
            )
        settings = EngineConfig(**config)
        if draft == "auto":
            draft = "bundled" if target == "bundled" else None
        tell = progress or (lambda event: None)
        engine = cls(load.load_pair(target, draft, device, dtype, settings, tell), settings)
        tell(engine.loaded)
        return engine

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._live)

    def submit(self, request: Request) -> int:
        """Queue a request; the number is in all its events. Raises InvalidRequest or ContextTooLong at once."""
        with self._lock:
            return self._enqueue(self._sequence(request))

    def step(self) -> list[Event]:
        """One cycle of every running sequence. Returns the events of requests that nobody streams; [] when idle."""
        with self._lock:
            self._advance()
            events, self._unclaimed = self._unclaimed, []
            return events

    def cancel(self, request: int) -> None:
        """Finish a request as "cancelled" at the next cycle, keeping what it has said. Unknown numbers are ignored."""
        sequence = self._live.get(request)
        if sequence is not None:
            sequence.cancelled = True

    def set_depth(self, depth: Depth, request: int | None = None) -> None:
        """Change the speculation depth of one request, or of all, from the next cycle on; 0 is baseline."""
        check_depth(depth)
        for sequence in list(self._live.values()):
            if request in (None, sequence.id):
                sequence.depth = depth

    def stream(self, request: Request) -> Iterator[Event]:
        """The events of one request, to its Finished or Failed. Closing the iterator cancels the request.

        Raises InvalidRequest or ContextTooLong at once.
        """
        return self._follow([self._sequence(request)])

    def generate(self, request: Request) -> Completion:
        """The whole reply. Raises the HelixError that the request failed with."""
        completion = self.generate_batch([request])[0]
        if completion.error is not None:
            raise completion.error
        return completion

    def generate_batch(self, requests: Items[Request]) -> list[Completion]:
        """All replies, in order, decoded together: one target forward a cycle.

        Raises before anything runs if a request is bad. One that fails while running has finish_reason "error".
        """
        sequences = [self._sequence(request) for request in requests]
        ids: dict[int, list[int]] = {}
        done: dict[int, Finished | Failed] = {}
        order: list[int] = []
        for event in self._follow(sequences, order):
            if isinstance(event, Cycle):
                ids.setdefault(event.request, []).extend(e.id for e in event.emitted)
            elif isinstance(event, (Finished, Failed)) and event.request is not None:
                done[event.request] = event
        return [Completion.of(done[i], ids.get(i, [])) for i in order]

    def close(self) -> None:
        """Cancel everything and let go of the models. The engine cannot be used afterwards."""
        with self._lock:
            if self._closed:
                return
            for sequence in list(self._live.values()):
                self._retire(sequence, "cancelled")
            self._closed = True
            del self._pair, self._speculator

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _follow(self, sequences: list[Sequence], order: list[int] | None = None) -> Iterator[Event]:
        """Submit and drive until all are done. Whoever waits for events runs the next step for everybody."""
        box: deque[Event] = deque()
        with self._lock:
            open_ids = {self._enqueue(sequence, box) for sequence in sequences}
        if order is not None:
            order += [s.id for s in sequences]
        try:
            while open_ids:
                if box:
                    event = box.popleft()
                    if isinstance(event, (Finished, Failed)):
                        open_ids.discard(event.request or 0)
                    yield event
                    continue
                with self._lock:
                    if not box:
                        self._advance()
        finally:
            with self._lock:
                for sequence in sequences:
                    if sequence.id in self._live:
                        self._retire(sequence, "cancelled")
                    self._mail.pop(sequence.id, None)

    def _sequence(self, request: Request) -> Sequence:
        if self._closed:
            raise HelixError("This engine is closed; load a new one.")
        return sequence_of(request, self._pair, self._limits)

    def _enqueue(self, sequence: Sequence, box: deque[Event] | None = None) -> int:
        sequence.id = self._next_id
        self._next_id += 1
        self._live[sequence.id] = sequence
        if box is not None:
            self._mail[sequence.id] = box
        self._scheduler.add(sequence)
        return sequence.id

    def _emit(self, event: Event) -> None:
        box = self._mail.get(getattr(event, "request", None) or 0)
        (self._unclaimed if box is None else box).append(event)

    def _advance(self) -> None:
        """One step: obey, admit, prefill a chunk, one cycle."""
        if self._closed:
            raise HelixError("This engine is closed; load a new one.")
        for sequence in self._scheduler:
            if sequence.cancelled:
                self._retire(sequence, "cancelled")
        for sequence in self._scheduler.admit():
            if not sequence.started:
                sequence.started = True
                sequence.cached = sequence.table.length
                self._emit(reporting.started(sequence, self._allocator))
        running = list(self._scheduler.running)
        chunk = self._config.prefill_chunk
        try:
            self._prefill([s for s in running if s.pending > chunk])
            self._cycle([s for s in running if s.pending <= chunk and s in self._scheduler.running])
        except Exception as error:
            self._recover(error)
        self._read_memory()

    def _prefill(self, sequences: list[Sequence]) -> None:
        """One chunk of each long prompt; the rest of it rides along with the first cycle."""
        chunk = self._config.prefill_chunk
        for sequence in self._make_room(sequences, {s.id: chunk for s in sequences}):
            start = time.perf_counter()
            self._speculator.prefill(sequence, chunk)
            sequence.prefill_seconds += time.perf_counter() - start

    def _cycle(self, sequences: list[Sequence]) -> None:
        depths = {s.id: self._speculator.depth(s) for s in sequences}
        able = self._make_room(sequences, {s.id: s.pending + depths[s.id].tokens for s in sequences})
        if not able:
            return
        rounds = self._speculator.cycle(able, [depths[s.id] for s in able])
        for round in rounds.rounds:
            sequence = round.sequence
            if not sequence.prefilled:
                sequence.prefilled = True
                sequence.prefill_seconds += rounds.draft_seconds + rounds.verify_seconds
                self._emit(reporting.prefilled(sequence, self._allocator))
            self._emit(reporting.cycle(round, rounds, self._allocator))
            if sequence.reason:
                self._retire(sequence, sequence.reason)

    def _make_room(self, sequences: list[Sequence], rows: dict[int, int]) -> list[Sequence]:
        able, preempted, failed = self._scheduler.make_room(sequences, lambda s: rows[s.id], self._speculator.release)
        for sequence in preempted:
            self._emit(Preempted(sequence.id))
        for sequence, error in failed:
            self._fail(sequence, error)
        return able

    def _recover(self, error: Exception) -> None:
        """A forward failed. Out of memory: the newest gives way, or fails if it is alone. Else: what ran has failed."""
        running = self._scheduler.running
        if load.is_out_of_memory(error) and len(running) > 1:
            victim = self._scheduler.preempt_newest()
            self._speculator.release(victim)
            self._emit(Preempted(victim.id))
            return
        if load.is_out_of_memory(error):
            error = OutOfMemory("The device is out of memory; shorten the chat, or choose a smaller model or dtype.")
        elif not isinstance(error, HelixError):
            error = HelixError(f"The model failed ({type(error).__name__}: {error}); ask again or load another model.")
        for sequence in list(running):
            self._fail(sequence, error)

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        self._remove(sequence)
        self._emit(reporting.failed(sequence.id, error))

    def _retire(self, sequence: Sequence, reason: FinishReason) -> None:
        sequence.finish(reason)
        self._remove(sequence)
        self._emit(reporting.finished(sequence, self._allocator, peak_memory(self._pair.device)))

    def _remove(self, sequence: Sequence) -> None:
        self._scheduler.remove(sequence)
        self._speculator.release(sequence)
        del self._live[sequence.id]

    def _read_memory(self) -> None:
        now = time.monotonic()
        if self._live and now - self._memory_read >= MEMORY_EVERY:
            self._memory_read = now
            reading = MemoryRead(read_memory(self._pair.device))
            if any(request not in self._mail for request in self._live):
                self._unclaimed.append(reading)
            for box in {id(box): box for box in self._mail.values()}.values():
                box.append(reading)
