"""When the phases of a cycle ended: by the host's clock after a wait, or by the device's own, where nobody waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import torch


class Clock(Protocol):
    def mark(self) -> Any:
        """The moment when all work given so far is done."""
        ...

    def seconds(self, start: Any, end: Any) -> float:
        """Between two marks; waits for the later one."""
        ...


class HostClock:
    def __init__(self, wait: Callable[[], None]) -> None:
        """`wait` returns when the device has done its work."""
        self._wait = wait

    def mark(self) -> float:
        self._wait()
        return time.perf_counter()

    def seconds(self, start: float, end: float) -> float:
        return end - start


class CudaClock:
    """Events in the stream: the host goes on giving work, and a cycle has one wait, for its tokens."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def mark(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def seconds(self, start: Any, end: Any) -> float:
        end.synchronize()
        milliseconds: float = start.elapsed_time(end)
        return milliseconds / 1e3


def clock_of(device: torch.device, wait: Callable[[], None]) -> Clock:
    return CudaClock(device) if device.type == "cuda" else HostClock(wait)
