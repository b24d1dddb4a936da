"""A device that has no memory for a tensor, at a place that the test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

WORDS = (
    "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
)


class Starving(TorchDispatchMode):
    """Counts what torch allocates, one for each operator that makes a tensor; `fails(number)` says which fail."""

    def __init__(self, fails: Callable[[int], bool] = lambda number: False) -> None:
        super().__init__()
        self.fails = fails
        self.made = 0
        self.failed = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _allocates(func):
            self.made += 1
            if self.fails(self.made - 1):
                self.failed += 1
                raise RuntimeError(WORDS)
        return func(*args, **(kwargs or {}))


def _allocates(func: Any) -> bool:
    """Whether it gives a tensor that is no view of another; `lift_fresh` is what `torch.tensor` made."""
    returns = func._schema.returns
    fresh = any(r.alias_info is None and "Tensor" in str(r.type) for r in returns)
    return fresh or "lift_fresh" in str(func)


@contextmanager
def starving(fails: Callable[[int], bool] = lambda number: False) -> Iterator[Starving]:
    with Starving(fails) as mode:
        yield mode
