"""Where events come from: an engine on a worker thread, or a recording. The app does not know which."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

from engine import Event, HelixError
from engine.events import Cycle, Loading, MemoryRead

from .bridge import Sink
from .engines import EngineLike, Loader, load_engine
from .gate import Gate
from .held import Held
from .messages import Depth, Question, Trouble
from .replay import ReplaySource

__all__ = ["EngineLike", "LiveSource", "ReplaySource", "Source"]

TRUST = ("allow_pickle", "trust_remote_code")
"""What the command line allowed the model that it named, not any other."""
GIVE_UP_AFTER = 4
"""Steps to try, after one that broke, before the engine is thrown away."""


class Source(Protocol):
    """What the app drives. Every method returns at once; notes come through the sink, from another thread."""

    @property
    def replay_of(self) -> str | None:
        """The recording's name, or None for a living engine."""

    @property
    def alive(self) -> bool:
        """Whether the worker still runs."""

    def start(self, sink: Sink) -> None:
        """Begin to load; again after a load that failed."""

    def ask(self, question: Question) -> None: ...

    def run(self, questions: Sequence[Question], sink: Sink) -> None:
        """Answer these together, beside the chat: what happens to them goes to `sink` alone."""

    def stop(self) -> None:
        """End everything asked so far at the next cycle; what is there stays."""

    def set_depth(self, depth: Depth) -> None:
        """For what runs, from the next cycle on."""

    @property
    def held(self) -> bool:
        """Whether the chat waits between two rounds."""

    def hold(self) -> None:
        """Wait before the next round of the chat, of this reply or one to come; `stop` and `close` still work."""

    def step_once(self) -> None:
        """While held: one round, and hold again."""

    def go_on(self) -> None:
        """Hold no more."""

    def close(self) -> None:
        """Let the worker end within one cycle."""


class _Closing(BaseException):
    """Leaves a load that nobody waits for any more."""


@dataclass(frozen=True, slots=True)
class _Job:
    """Questions to answer together, and who hears of it."""

    number: int
    questions: Sequence[Question]
    sink: Sink


class LiveSource:
    """An engine on its own thread."""

    replay_of: str | None = None

    def __init__(
        self,
        target: str = "bundled",
        draft: str | None = "auto",
        device: str = "auto",
        dtype: str | None = None,
        *,
        loader: Loader = load_engine,
        **config: Any,
    ) -> None:
        self._options = {"target": target, "draft": draft, "device": device, "dtype": dtype, **config}
        self._loader = loader
        self._thread: threading.Thread | None = None
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._given = self._stopped = 0
        """How many jobs there were, now and when `stop` was last called."""
        self._closing = threading.Event()
        """Set once for each thread, when it shall end."""
        self._closed = False
        self._engine: EngineLike | None = None
        self._requests: tuple[int, ...] = ()
        """Those of the job that runs."""
        self._depth: Depth | None = None
        """What was pressed since the last job was given."""
        self._sink: Sink = lambda note: False
        self._gate = Gate()
        self._held = Held()

    @property
    def held(self) -> bool:
        return self._gate.held

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, sink: Sink) -> None:
        if self._closed:
            return
        self._sink = sink
        before, self._closing, self._jobs = self._thread, threading.Event(), SimpleQueue()
        # A daemon: leaving must not wait for a torch import or a download.
        self._thread = threading.Thread(
            target=self._work, args=(self._closing, self._jobs, before), name="helix-engine", daemon=True
        )
        self._thread.start()

    @property
    def options(self) -> dict[str, Any]:
        """What the engine is loaded with."""
        return dict(self._options)

    def change(self, **options: Any) -> None:
        """Let go of the engine, or of the load that runs, and load with these options instead."""
        self._end()
        kept = {name: value for name, value in self._options.items() if name not in TRUST}
        self._options = kept | options
        self.start(self._sink)

    def ask(self, question: Question) -> None:
        self.run([question], self._sink)

    def run(self, questions: Sequence[Question], sink: Sink) -> None:
        self._depth = None
        self._given += 1
        self._jobs.put(_Job(self._given, questions, sink))

    def stop(self) -> None:
        self._stopped = self._given
        engine = self._engine
        for request in self._requests:
            if engine is not None:
                engine.cancel(request)
        self._gate.look()

    def set_depth(self, depth: Depth) -> None:
        self._depth = depth
        engine = self._engine
        for request in self._requests:
            if engine is not None:
                engine.set_depth(depth, request)

    def hold(self) -> None:
        self._gate.hold()

    def step_once(self) -> None:
        self._gate.step_once()

    def go_on(self) -> None:
        self._gate.go_on()

    def close(self) -> None:
        self._closed = True
        self._end()

    def _end(self) -> None:
        self._closing.set()
        self.stop()
        self._jobs.put(None)

    def _work(self, closing: threading.Event, jobs: SimpleQueue[_Job | None], before: threading.Thread | None) -> None:
        if before is not None:
            # Two engines would need the memory of both.
            before.join()
        if closing.is_set():
            return
        try:
            engine = self._loader(progress=partial(self._progress, closing), **self._options)
        except _Closing:
            return
        except HelixError as error:
            self._sink(Trouble("load", type(error).__name__, str(error), offer=getattr(error, "offer", None)))
            return
        except Exception as error:
            self._sink(Trouble("load", type(error).__name__, str(error), expected=False))
            return
        self._engine = engine
        try:
            self._sink(engine.loaded)
            self._serve(engine, closing, jobs)
        finally:
            self._engine, self._requests = None, ()
            engine.close()

    def _progress(self, closing: threading.Event, event: Event) -> None:
        if closing.is_set():
            raise _Closing
        if isinstance(event, Loading):
            self._sink(event)

    def _serve(self, engine: EngineLike, closing: threading.Event, jobs: SimpleQueue[_Job | None]) -> None:
        sink = self._sink
        while not closing.is_set():
            if engine.busy:
                if sink is self._sink:
                    self._held.add(self._gate.wait(lambda: closing.is_set() or self._stopped >= self._given))
                if not self._step(engine, sink):
                    return
                continue
            self._requests = ()
            self._gate.rest()
            job = jobs.get()
            if job is None:
                return
            sink = job.sink
            self._held = Held()
            self._submit(engine, job)
        if engine.busy:
            # What was cancelled says that it has ended.
            self._step(engine, sink)

    def _submit(self, engine: EngineLike, job: _Job) -> None:
        for question in job.questions:
            try:
                request = engine.submit(question.request())
            except Exception as error:
                job.sink(Trouble("ask", type(error).__name__, str(error), isinstance(error, HelixError)))
                continue
            self._requests = (*self._requests, request)
            # What was pressed between asking and submitting.
            if self._depth is not None:
                engine.set_depth(self._depth, request)
            if job.number <= self._stopped:
                engine.cancel(request)

    def _step(self, engine: EngineLike, sink: Sink) -> bool:
        """One cycle. False when the engine broke and cannot go on."""
        try:
            events = engine.step()
        except Exception as error:
            usable = self._recover(engine)
            trouble = Trouble(
                "run" if usable else "lost", type(error).__name__, str(error), isinstance(error, HelixError)
            )
            sink(trouble)
            if not usable and sink is not self._sink:
                self._sink(trouble)
            return usable
        for event in events:
            if sink is self._sink:
                event = self._held.leave_out(event)
            # A reading of memory is of no request: it belongs to the chat's panels.
            (self._sink if isinstance(event, MemoryRead) else sink)(event)
        if any(isinstance(event, Cycle) for event in events):
            self._gate.passed()
        return True

    def _recover(self, engine: EngineLike) -> bool:
        """Cancel what ran when a step broke; True when the engine comes to rest."""
        for _ in range(GIVE_UP_AFTER):
            try:
                if not engine.busy:
                    return True
                for request in self._requests:
                    engine.cancel(request)
                engine.step()
            except Exception:
                continue
        return False
