"""The engine: requests in, one stream of events out. `stream` and `generate` are thin loops over submit and step."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from collections.abc import Sequence as Items
from contextlib import suppress
from functools import partial
from itertools import count
from threading import Lock
from types import TracebackType
from typing import Any

from . import reporting
from .config import Depth, EngineConfig, check_depth
from .devices import give_back, on_device, synchronize
from .drafters.base import Drafter
from .driver import Driver
from .errors import HelixError, InvalidRequest
from .events import Cycle, Event, Failed, Finished
from .intake import make_drafter, sequence_of
from .loop import Loop
from .models import load, plans
from .models.graphs import capture
from .models.timing import Timed
from .outbox import Outbox
from .request import Completion, Request
from .sequence import Limits, Sequence
from .speculative import Speculator

CLOSED = "This engine is closed; load a new one."


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
        self._run = partial(on_device, pair.device)
        context = min(pair.context, pair.draft_context or pair.context)
        graphs = capture(pair.target, pair.draft) if pair.device.kind == "cuda" else None
        timed = partial(Timed, pair.target, pair.draft, wait, context, pair.device.name)
        self._timed: Timed | None = self._run(timed) if drafter else None
        costs = self._timed.costs if self._timed else None
        self._speculator = Speculator(pair.target, drafter, pair.tokenizer, wait, costs)
        self._unclaimed: list[Event] = []
        self._loop = Loop(self._speculator, pair.device, config, self._unclaimed.append)
        self._driver = Driver(self._drive)
        self._limits = Limits(pair.context, pair.eos)
        self._intake = Lock()
        self._numbers = count(1)
        self._closed = False
        remembered = self._timed.remembered if self._timed else None
        self.loaded = reporting.loaded(pair, drafter.kind if drafter else None, remembered, graphs, config)

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
        speculation. `dtype` is None (choose), "float32", "bfloat16", "float16" or "int8". `progress` gets Loading
        events and the Loaded one. `config` are the fields of EngineConfig. Raises a HelixError that says what to do;
        OutOfMemory may carry an `offer` of what would fit.
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

        def build(plan: plans.Plan) -> Engine:
            pair = load.load_pair(plan.target, plan.draft, plan.device, plan.dtype, plan.config, tell)
            return cls(pair, plan.config)

        engine = plans.load(plans.Plan(target, draft, device, dtype, settings), build, tell)
        tell(engine.loaded)
        return engine

    @property
    def chunk(self) -> int:
        """Prompt tokens in one forward, of all requests together."""
        return self._config.prefill_chunk

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._loop.live)

    def token_text(self, token: int) -> str:
        """The text of one token id by itself; empty where the model has no tokenizer."""
        return self._pair.tokenizer.piece(token) if self._pair.tokenizer else ""

    def submit(self, request: Request) -> int:
        """Queue a request; the number is in all its events. Raises InvalidRequest or ContextTooLong at once."""
        sequence = self._sequence(request)
        self._loop.add(sequence)
        return sequence.id

    def step(self) -> list[Event]:
        """One cycle of every running sequence. Returns the events of requests that nobody streams; [] when idle."""
        with self._loop.lock:
            self._advance()
            events = list(self._unclaimed)
            self._unclaimed.clear()
            return events

    def cancel(self, request: int) -> None:
        """Finish a request as "cancelled" at the next cycle, keeping what it has said. Unknown numbers are ignored."""
        sequence = self._loop.find(request)
        if sequence is not None:
            sequence.cancelled = True

    def set_depth(self, depth: Depth, request: int | None = None) -> None:
        """Change the speculation depth of one request, or of all, from the next cycle on; 0 is baseline."""
        check_depth(depth)
        for sequence in self._loop.live:
            if request in (None, sequence.id):
                sequence.depth = depth

    def stream(self, request: Request) -> Iterator[Event]:
        """The events of one request, to its Finished or Failed. Closing the iterator cancels the request.

        Raises InvalidRequest or ContextTooLong at once.
        """
        return self._follow([self._sequence(request)])

    async def astream(self, request: Request) -> AsyncGenerator[Event, None]:
        """`stream` for asyncio. Steps run on a thread of the engine's own; the event loop never waits for one.

        Leaving the loop, or being cancelled in it, cancels the request: its blocks are free one cycle later. Who reads
        slowly holds up nobody: the request rests until it is read again.
        """
        sequence = await asyncio.to_thread(self._sequence, request)
        arrived = asyncio.Event()
        wake_up = partial(asyncio.get_running_loop().call_soon_threadsafe, arrived.set)
        sequence.outbox = box = Outbox(partial(_unless_closed, wake_up))
        self._loop.add(sequence)
        self._driver.wake()
        if self._closed:
            raise HelixError(CLOSED)
        event = None
        try:
            while not isinstance(event, (Finished, Failed)):
                rested = box.resting
                event = box.take()
                if event is not None:
                    yield event
                    if rested and not box.resting:
                        self._driver.wake()
                    continue
                await arrived.wait()
                arrived.clear()
        finally:
            sequence.cancelled = True
            self._driver.wake()

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
        self._driver.close()
        with self._loop.lock:
            if self._closed:
                return
            self._closed = True
            device = self._pair.device
            self._run(self._let_go)
        give_back(device)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _let_go(self) -> None:
        self._loop.close()
        if self._timed:
            self._timed.close()
        del self._pair, self._speculator

    def _follow(self, sequences: list[Sequence], order: list[int] | None = None) -> Iterator[Event]:
        """Submit and drive until all are done. Whoever waits for events runs the next step for everybody."""
        box = Outbox()
        for sequence in sequences:
            sequence.outbox = box
            self._loop.add(sequence)
        open_ids = {sequence.id for sequence in sequences}
        if order is not None:
            order += [s.id for s in sequences]
        try:
            while open_ids:
                event = box.take()
                if event is not None:
                    if isinstance(event, (Finished, Failed)):
                        open_ids.discard(event.request or 0)
                    yield event
                    continue
                with self._loop.lock:
                    if not len(box):
                        self._advance()
        finally:
            with self._loop.lock:
                for sequence in sequences if not self._closed else ():
                    self._loop.leave(sequence)

    def _sequence(self, request: Request) -> Sequence:
        if self._closed:
            raise HelixError(CLOSED)
        with self._intake:  # Tokenizers are not made for several threads.
            sequence = sequence_of(request, self._pair, self._limits)
        sequence.id = next(self._numbers)
        return sequence

    def _advance(self) -> bool:
        if self._closed:
            raise HelixError(CLOSED)
        ran: bool = self._run(self._loop.step)
        return ran

    def _drive(self) -> bool:
        """A step for those who await; one that breaks fails them all, for nobody else would tell them."""
        with self._loop.lock:
            try:
                return self._advance()
            except Exception as error:
                for sequence in self._loop.live:
                    self._loop.fail(sequence, error)
                return False


def _unless_closed(call: Callable[[], object]) -> None:
    """An event loop that has ended has nobody to wake."""
    with suppress(RuntimeError):
        call()
