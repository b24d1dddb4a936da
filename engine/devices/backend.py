"""What every kind of device tells of itself, and the kinds there are. torch is imported when a call needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar

from ..config import Layout

Kind = Literal["directml", "cuda", "mps", "xpu", "cpu"]
Reading = tuple[int, int, int, int | None]
"""Bytes: total, free, held by this process, and the most that it held if anybody counts that."""
UNKNOWN: Reading = (0, 0, 0, None)
T = TypeVar("T")


class Backend(Protocol):
    """One kind of device, by torch. Calls about a device that is not there raise what the driver raises."""

    @property
    def kv(self) -> Layout:
        """Where the KV lives: in slabs where a slice can be written in place, else in a tensor a block."""
        ...

    def names(self) -> list[str]:
        """What the maker calls each device of this kind; none where there is none."""
        ...

    def device(self, index: int) -> Any:
        """The torch.device."""
        ...

    def torch_name(self, index: int) -> str: ...

    def dtypes(self, index: int) -> tuple[str, ...]:
        """Torch names of the floating dtypes that it computes with; float32 is always the first."""
        ...

    def memory(self, index: int, name: str) -> Reading: ...

    def synchronize(self, index: int) -> None:
        """Wait for all work given to it."""
        ...

    def give_back(self) -> None:
        """Hand what torch keeps in store back to the device."""
        ...


def quietly(read: Callable[[], T], otherwise: T) -> T:
    """What a driver says, or something else when it fails."""
    try:
        return read()
    except Exception:
        return otherwise


def floats(brain: bool) -> tuple[str, ...]:
    """The floating dtypes, with or without bfloat16."""
    return ("float32", "float16", "bfloat16") if brain else ("float32", "float16")
