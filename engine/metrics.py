"""Counters and timings folded from events, and their Prometheus text.

The names after `helix:` are those of vLLM (`vllm:spec_decode_num_drafts_total`), so its dashboards read ours.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from .events import Cycle, Event, Failed, Finished, MemoryRead, Preempted, Started

PREFIX = "helix:"
TTFT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TOKEN_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Histogram:
    """Counts by upper bound, as Prometheus wants them."""

    def __init__(self, bounds: Iterable[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def lines(self, name: str, about: str) -> Iterator[str]:
        yield from _head(name, about, "histogram")
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{PREFIX}{name}_bucket{{le="{bound}"}} {total}'
        yield f"{PREFIX}{name}_sum {self._sum:.9g}"
        yield f"{PREFIX}{name}_count {total}"


class Metrics:
    """Give it `submitted` for each request, then every event of it in order."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._submitted: dict[int, float] = {}
        """By a key of the caller's: when it was asked for."""
        self._last: dict[int, float] = {}
        """When the newest tokens of a running request came."""
        self._running: set[int] = set()
        self._counts: Counter[str] = Counter()
        self._accepted_at: Counter[int] = Counter()
        self._reasons: Counter[str] = Counter()
        self._usage = 0.0
        self._memory = 0
        self._ttft = Histogram(TTFT_BUCKETS)
        self._per_token = Histogram(TOKEN_BUCKETS)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._submitted) - len(self._running)

    def submitted(self, key: int) -> None:
        self._submitted[key] = self._clock()

    def left(self, key: int) -> None:
        """The request has no more events, whatever the last one was."""
        self._submitted.pop(key, None)
        self._last.pop(key, None)
        self._running.discard(key)

    def feed(self, key: int, event: Event) -> None:
        if isinstance(event, Started):
            self._running.add(key)
            self._counts["prompt_tokens"] += event.prompt_tokens
            self._counts["prefix_cache_queries"] += event.prompt_tokens
            self._counts["prefix_cache_hits"] += event.cached_tokens
        elif isinstance(event, Cycle):
            self._cycle(key, event)
        elif isinstance(event, Preempted):
            self._counts["num_preemptions"] += 1
        elif isinstance(event, MemoryRead):
            self._memory = event.memory.process
        elif isinstance(event, Finished):
            self._see(event.blocks.free, event.blocks.cached, event.blocks.total)
            self._reasons[event.reason] += 1
        elif isinstance(event, Failed):
            self._reasons["error"] += 1

    def text(self) -> str:
        """All of it in the Prometheus text format, version 0.0.4."""
        return "\n".join(self._lines()) + "\n"

    def _cycle(self, key: int, event: Cycle) -> None:
        now, count = self._clock(), len(event.emitted)
        self._counts["generation_tokens"] += count
        if event.drafted:
            self._counts["spec_decode_num_drafts"] += 1
            self._counts["spec_decode_num_draft_tokens"] += len(event.drafted)
            self._counts["spec_decode_num_accepted_tokens"] += event.accepted
            self._accepted_at.update(range(event.accepted))
        if key in self._last:
            self._per_token.observe((now - self._last[key]) / count, count)
        elif key in self._submitted:
            self._ttft.observe(now - self._submitted[key])
        self._last[key] = now
        self._see(event.blocks.free, event.blocks.cached, event.blocks.total)

    def _see(self, free: int, cached: tuple[tuple[int, int], ...], total: int) -> None:
        self._usage = 1 - (free + sum(count for _, count in cached)) / total

    def _lines(self) -> Iterator[str]:
        gauges = (
            ("num_requests_running", "Requests being decoded.", self.running),
            ("num_requests_waiting", "Requests in the queue.", self.waiting),
            ("kv_cache_usage_perc", "Share of KV blocks held by requests; 1 is all.", self._usage),
            ("process_memory_bytes", "Held by the engine on its device.", self._memory),
        )
        for name, about, value in gauges:
            yield from _head(name, about, "gauge")
            yield f"{PREFIX}{name} {value:.9g}"
        for name, about in COUNTERS.items():
            yield from _head(f"{name}_total", about, "counter")
            yield f"{PREFIX}{name}_total {self._counts[name]}"
        name = "spec_decode_num_accepted_tokens_per_pos_total"
        yield from _head(name, "Accepted tokens by their place in the draft.", "counter")
        for position, count in sorted(self._accepted_at.items()):
            yield f'{PREFIX}{name}{{position="{position}"}} {count}'
        yield from _head("request_success_total", "Requests that ended, by why.", "counter")
        for reason, count in sorted(self._reasons.items()):
            yield f'{PREFIX}request_success_total{{finished_reason="{reason}"}} {count}'
        yield from self._ttft.lines("time_to_first_token_seconds", "From asking to the first token.")
        yield from self._per_token.lines("time_per_output_token_seconds", "Between tokens after the first.")


COUNTERS = {
    "prompt_tokens": "Prompt tokens of started requests.",
    "generation_tokens": "Tokens generated.",
    "prefix_cache_queries": "Prompt tokens looked up in the prefix index.",
    "prefix_cache_hits": "Of those, found there.",
    "num_preemptions": "Times that a request gave its blocks back for others and went on later.",
    "spec_decode_num_drafts": "Draft-verify rounds.",
    "spec_decode_num_draft_tokens": "Tokens drafted.",
    "spec_decode_num_accepted_tokens": "Drafted tokens that were kept.",
}


def _head(name: str, about: str, kind: str) -> tuple[str, str]:
    return f"# HELP {PREFIX}{name} {about}", f"# TYPE {PREFIX}{name} {kind}"
