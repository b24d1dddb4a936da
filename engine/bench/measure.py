"""How things are timed: in turns, after a warm-up, several times; and how fast this machine reads memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import torch

T = TypeVar("T")
Clock = Callable[[], float]
Arms = Mapping[str, Callable[[], T]]
"""What is compared, by name: each call is one run and returns what it found."""
STREAM_BYTES = 512 * 2**20
"""Far larger than the caches of any CPU."""


def interleave(
    arms: Arms[T], rounds: int, *, warmup: int = 1, tick: Callable[[str], None] = lambda name: None
) -> dict[str, list[T]]:
    """Run all arms `rounds` times in turns: A B C, C B A, A B C ... so that none always goes first.

    A machine that slows down slows all arms alike. The rounds of the warm-up are not kept.
    """
    found: dict[str, list[T]] = {name: [] for name in arms}
    for turn in range(warmup + rounds):
        for name in arms if turn % 2 == 0 else reversed(list(arms)):
            tick(name)
            value = arms[name]()
            if turn >= warmup:
                found[name].append(value)
    return found


def timed(run: Callable[[], object], clock: Clock = time.perf_counter) -> Callable[[], float]:
    """An arm that returns the seconds that `run` took."""

    def arm() -> float:
        start = clock()
        run()
        return clock() - start

    return arm


def stream(device: torch.device, wait: Callable[[], None], size: int = STREAM_BYTES) -> Iterator[float]:
    """Bytes per second of reading a buffer from the device's memory once, with torch's threads; endlessly."""
    buffer = torch.ones(size // 4, device=device)
    while True:
        start = time.perf_counter()
        buffer.sum()
        wait()
        yield buffer.nbytes / (time.perf_counter() - start)
