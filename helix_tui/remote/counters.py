"""What servers tell in Prometheus text: the speculative counters that vLLM and llama.cpp share, by any prefix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.events import Counters

LINE = re.compile(r"^(?:\w+:)?(\w+?)(?:_total)?(?:\{(.*)\})? ([-+0-9.eE]+)(?: \d+)?$")
POSITION = re.compile(r'position="(\d+)"')
KV_USAGE = ("kv_cache_usage_perc", "gpu_cache_usage_perc", "kv_cache_usage_ratio")
"""vLLM's of today, vLLM's of before, llama.cpp's. All are shares of 1."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One reading; sums over the models and engines behind one address."""

    drafts: float | None = None
    drafted: float | None = None
    accepted: float | None = None
    accepted_at: tuple[float, ...] = ()
    kv_usage: float | None = None

    @property
    def told(self) -> bool:
        """Whether there is anything to show."""
        return self.drafted is not None or self.kv_usage is not None

    def since(self, start: Counts, request: int) -> Counters:
        """What was counted from `start` on."""
        before = (*start.accepted_at, *[0.0] * len(self.accepted_at))
        return Counters(
            request,
            _less(self.drafts, start.drafts),
            _less(self.drafted, start.drafted),
            _less(self.accepted, start.accepted),
            tuple(max(0, round(a - b)) for a, b in zip(self.accepted_at, before, strict=False)),
            self.kv_usage,
        )


def parse(text: str) -> Counts:
    """Of a /metrics page; what is not understood is skipped."""
    sums: dict[str, float] = {}
    places: dict[int, float] = {}
    for line in text.splitlines():
        if (found := LINE.match(line.strip())) is None:
            continue
        name, labels, number = found.groups()
        try:
            value = float(number)
        except ValueError:
            continue
        if name == "spec_decode_num_accepted_tokens_per_pos":
            if place := POSITION.search(labels or ""):
                places[int(place[1])] = places.get(int(place[1]), 0.0) + value
        elif name in KV_USAGE:
            sums[name] = max(sums.get(name, 0.0), value)
        else:
            sums[name] = sums.get(name, 0.0) + value
    deepest = min(max(places, default=-1), 63)
    return Counts(
        sums.get("spec_decode_num_drafts"),
        sums.get("spec_decode_num_draft_tokens"),
        sums.get("spec_decode_num_accepted_tokens"),
        tuple(places.get(i, 0.0) for i in range(deepest + 1)),
        _first(sums),
    )


def _first(sums: Mapping[str, float]) -> float | None:
    return next((sums[name] for name in KV_USAGE if name in sums), None)


def _less(now: float | None, before: float | None) -> int | None:
    return None if now is None else max(0, round(now - (before or 0)))
