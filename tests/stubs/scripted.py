"""An engine without a model: the real engine's interface, replies and timings from a script, nothing random."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from script import GB, PATTERN, SECOND, STORY, loaded, words

from engine import Event, Request
from engine.events import (
    Blocks,
    Cycle,
    DeviceMemory,
    Drafted,
    Emitted,
    Failed,
    Finished,
    Loading,
    MemoryRead,
    Preempted,
    Prefilled,
    Rule,
    Started,
    Usage,
)
from engine.kv.blocks import runs

WRONG = (" mouse", " cat", " tree", " moon")


@dataclass
class Running:
    request: Request
    id: int
    tokens: list[str]
    depth: int
    prompt: int
    cached: int
    at: int = 0
    cycles: int = 0
    drafted: int = 0
    accepted: int = 0
    started: bool = False
    cancelled: bool = False
    seconds: float = 0.0
    text: str = ""
    table: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        return self.prompt + self.at


@dataclass
class ScriptedEngine:
    """Give it replies; it drafts and checks them by `pattern`. Everything told to it is written down in `calls`.

    Requests run together, one cycle each a step; the newest gives way when the pool is full.
    """

    replies: list[str] = field(default_factory=lambda: [STORY, SECOND])
    draft: bool = True
    blocks: int = 256
    pattern: tuple[int, ...] = PATTERN
    cycle_seconds: float = 0.0
    """Real time that a step takes."""
    gate: threading.Semaphore | None = None
    """When given, each step waits for a release: the test decides how far a reply comes."""
    before_step: Callable[[ScriptedEngine], None] | None = None
    """Called before each step; may raise."""
    failing: tuple[str, str] | None = None
    """The error class and message of the Failed event that ends the next request."""
    calls: list[tuple[str, object]] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    closed: bool = False

    def __post_init__(self) -> None:
        self.loaded = loaded(self.draft, self.blocks)
        self.runs: list[Running] = []
        self.remembered = 0
        """Tokens of the last conversation whose KV is kept."""
        self._next = 0
        self._asked = 0
        self._memory_due = True
        self.steps = 0

    @property
    def busy(self) -> bool:
        return bool(self.runs)

    def submit(self, request: Request) -> int:
        self.calls.append(("submit", request))
        self._next += 1
        messages = request.messages or ()
        prompt = 4 + sum(len(words(m["content"])) + 4 for m in messages)
        first = sum(1 for m in messages if m["role"] == "user") <= 1
        cached = 0 if first else min(self.remembered, prompt - 1) // 16 * 16
        reply = words(self.replies[self._asked % len(self.replies)])
        self._asked += 1
        if request.max_tokens is not None:
            reply = reply[: request.max_tokens]
        self.runs.append(Running(request, self._next, reply, request.speculation.depth, prompt, cached))
        return self._next

    def cancel(self, request_id: int) -> None:
        self.calls.append(("cancel", request_id))
        for run in self.runs:
            run.cancelled |= run.id == request_id

    def set_depth(self, depth: int, request_id: int | None = None) -> None:
        self.calls.append(("depth", depth))
        for run in self.runs:
            if request_id in (None, run.id):
                run.depth = depth

    def close(self) -> None:
        self.calls.append(("close", None))
        self.closed = True

    def step(self) -> list[Event]:
        self.threads.add(threading.current_thread().name)
        self.steps += 1
        while (gate := self.gate) is not None and not gate.acquire(timeout=0.02):
            if all(run.cancelled for run in self.runs):
                break
        if self.cycle_seconds:
            time.sleep(self.cycle_seconds)
        if self.before_step is not None:
            self.before_step(self)
        if self.runs and self.failing is not None:
            (error, message), self.failing = self.failing, None
            return [Failed(self.runs.pop(0).id, error, message)]
        events: list[Event] = []
        for run in list(self.runs):
            events += self._advance(run)
        together = sum(isinstance(event, Cycle) for event in events)
        return [replace(event, batch=together) if isinstance(event, Cycle) else event for event in events]

    def _advance(self, run: Running) -> list[Event]:
        events: list[Event] = []
        while not run.cancelled and not self._grow(run):
            holding = [other for other in self.runs if other.table]
            if not holding or not run.table:
                return events
            holding[-1].table.clear()
            events.append(Preempted(holding[-1].id))
        if not run.started:
            run.started = True
            asked = run.request.messages[-1]["content"] if run.request.messages else None
            rule: Rule = "argmax" if run.request.sampling.greedy else "block"
            events.append(Started(run.id, run.prompt, run.cached, run.depth, self._pool(run), asked, rule))
            if not run.cancelled:
                seconds = 0.002 * (run.prompt - run.cached)
                events.append(Prefilled(run.id, run.prompt, seconds, self._pool(run)))
        if run.cancelled:
            return [*events, self._finish(run, "cancelled")]
        events.append(self._cycle(run))
        if self._memory_due:
            events.append(MemoryRead(DeviceMemory(2 * GB, 1 * GB - 40_000_000, 440_000_000)))
            self._memory_due = False
        if run.at >= len(run.tokens):
            length = run.request.max_tokens is not None and run.at >= run.request.max_tokens
            events.append(self._finish(run, "length" if length else "eos"))
        return events

    def _grow(self, run: Running) -> bool:
        """Blocks for the text and for the most a cycle can add to it; False when the pool has not enough."""
        taken = {number for other in self.runs for number in other.table}
        free = [number for number in [*range(2, self.blocks), 0, 1] if number not in taken]
        depth = run.depth if isinstance(run.depth, int) else 4
        need = -(-(run.length + depth + 1) // 16) - len(run.table)
        run.table += free[: max(0, need)] if need <= len(free) else []
        return need <= len(free)

    def _cycle(self, run: Running) -> Cycle:
        before = run.at
        left = len(run.tokens) - run.at
        depth = min(run.depth if self.draft else 0, max(0, left - 1))
        kept = min(self.pattern[run.cycles % len(self.pattern)], depth)
        drafted = tuple(
            Drafted(run.at + i, run.tokens[run.at + i] if i < kept else WRONG[i % len(WRONG)],
                    0.7, 0.8 if i < kept else 0.05, i < kept)
            for i in range(depth)
        )  # fmt: skip
        last = "plain" if not depth else "bonus" if kept == depth else "correction"
        emitted = tuple(
            Emitted(run.at + i, run.tokens[run.at + i], "draft" if i < kept else last) for i in range(kept + 1)
        )
        run.at += kept + 1
        run.drafted += depth
        run.accepted += kept
        draft_seconds, verify_seconds = 0.0008 * depth, 0.006 + 0.0004 * depth
        seconds = draft_seconds + verify_seconds + 0.0002
        index, run.cycles = run.cycles, run.cycles + 1
        if index:
            run.seconds += seconds
        run.text += "".join(e.text for e in emitted)
        held = -(-(run.prompt + before + depth + 1) // 16)
        in_flight = runs(run.table[-(-run.length // 16) : held])
        return Cycle(
            run.id, index, run.depth, drafted, kept, emitted, draft_seconds, verify_seconds, seconds,
            self._pool(run), held, prompt_rows=0 if index else run.prompt - run.cached,
            in_flight=in_flight,
        )  # fmt: skip

    def _pool(self, run: Running | None) -> Blocks:
        if run is None:
            kept = 0 if self.runs else self.remembered // 16
            held = sum(len(other.table) for other in self.runs)
            return Blocks((), 0, 0, ((2, kept),) if kept else (), self.blocks - kept - held, self.blocks)
        held = -(-run.length // 16)
        del run.table[held:]
        free = self.blocks - sum(len(other.table) for other in self.runs)
        return Blocks(runs(run.table), run.length, run.cached // 16, (), free, self.blocks)

    def _finish(self, run: Running, reason: str) -> Finished:
        self.remembered = run.length
        self.runs.remove(run)
        self._memory_due = True
        tokens = run.at
        after_first = sum(1 for _ in range(max(0, tokens - 1)))
        usage = Usage(
            prompt_tokens=run.prompt,
            cached_tokens=run.cached,
            completion_tokens=tokens,
            cycles=run.cycles,
            drafted=run.drafted,
            accepted=run.accepted,
            acceptance_rate=run.accepted / run.drafted if run.drafted else None,
            mean_accepted_length=1 + run.accepted / run.cycles if run.cycles else None,
            ttft_s=0.002 * (run.prompt - run.cached) + 0.01 if run.cycles else None,
            decode_s=run.seconds,
            decode_tokens_per_s=after_first / run.seconds if run.seconds else None,
        )
        return Finished(run.id, reason, run.text, usage, self._pool(None))  # type: ignore[arg-type]


def slow() -> tuple[ScriptedEngine, threading.Semaphore]:
    """An engine that waits for the test before each step, and the gate."""
    gate = threading.Semaphore(0)
    return ScriptedEngine(gate=gate), gate


def loader(
    engine: ScriptedEngine, *, wait: threading.Event | None = None, fail: list[Exception] | None = None
) -> Callable[..., ScriptedEngine]:
    """A stand-in for `Engine.load`: waits for the event, and raises each of `fail` once."""

    def load(progress: Callable[[Event], None] | None = None, **options: object) -> ScriptedEngine:
        engine.calls.append(("load", options))
        if progress is not None:
            progress(Loading("target weights", 31_000_000, 98_000_000))
        if wait is not None:
            while not wait.wait(0.02):
                if progress is not None:
                    progress(Loading("target weights", 62_000_000, 98_000_000))
        if fail:
            raise fail.pop(0)
        return engine

    return load
