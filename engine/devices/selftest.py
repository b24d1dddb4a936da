"""Is a device to be trusted: small operations whose results are held against the CPU's.

Drivers that return wrong numbers, or nothing, are known for every vendor; a chat should meet them as one sentence and
another device, not as text that is subtly off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .backend import Backend
from .thread import on_its_thread

if TYPE_CHECKING:
    from torch import Tensor

EXACT = 0.0
ROUNDED = 1e-4
HALF = 5e-3
"""Relative error (L2) that passes: of copies, of float32 and of float16 arithmetic."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one operation gave."""

    name: str
    passed: bool
    said: str
    """The error, or the exception's first line."""
    seconds: float
    needed: bool = True
    """Whether the engine relies on it there: a DirectML device may lose writes through views."""


_found: dict[tuple[str, str], str | None] = {}


def trouble(backend: Backend, index: int, spec: str, name: str) -> str | None:
    """What fails on a device, as "cat: wrong by 1e+00"; None when nothing does. Asked once a process."""
    if (spec, name) not in _found:
        failed = (f"{c.name}: {c.said}" for c in checks(backend, index) if c.needed and not c.passed)
        _found[spec, name] = on_its_thread(backend, lambda: next(failed, None))
    return _found[spec, name]


def checks(backend: Backend, index: int) -> Iterator[Check]:
    """Run all of them, one after the other; the caller is on the thread that owns the device."""
    for name, (operation, limit) in _operations().items():
        start = time.perf_counter()
        try:
            error = _difference(operation, backend, index)
            passed, said = error <= limit, "exact" if error == 0 else f"wrong by {error:.0e}"
        except Exception as problem:
            passed, said = False, (str(problem).strip().splitlines() or [type(problem).__name__])[0][:160]
        yield Check(name, passed, said, time.perf_counter() - start, name != "slice write" or backend.kv == "slab")


Operation = Callable[[list["Tensor"]], "Tensor"]


def _difference(operation: Operation, backend: Backend, index: int) -> float:
    """Relative error (L2) of the device's result; infinite where it has another shape or is not finite."""
    import torch

    with torch.no_grad():
        given = _inputs()
        wanted = operation(given).double()
        got = operation([t.to(backend.device(index)) for t in given]).cpu().double()
    if got.shape != wanted.shape or not torch.isfinite(got).all():
        return float("inf")
    return float((got - wanted).norm() / wanted.norm().clamp(min=1e-6))


def _inputs() -> list[Tensor]:
    """Numbers `[64, 48]`, a permutation of 64, and logits `[3, 5000]`; the same at every start."""
    import torch

    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(64, 48, generator=generator)
    return [numbers, torch.randperm(64, generator=generator), torch.randn(3, 5000, generator=generator)]


def _operations() -> dict[str, tuple[Operation, float]]:
    import torch

    def slice_write(given: list[Tensor]) -> Tensor:
        numbers = given[0] + 0
        numbers[3:7, 5:] = numbers[20:24, 5:]
        return numbers

    return {
        "int64 copy": (lambda t: t[1] + 2**40 - 2**40, EXACT),
        "slice read": (lambda t: t[0][3:7, 5:] + 0, EXACT),
        "slice write": (slice_write, EXACT),
        "cat": (lambda t: torch.cat([t[0][i : i + 1] + 0 for i in range(64)]), EXACT),
        "index_select": (lambda t: t[0].index_select(0, t[1]), EXACT),
        "gather": (lambda t: t[0].gather(1, t[1][:, None] % 48), EXACT),
        "where": (lambda t: torch.where(t[0] > 0, t[0], t[0] * 2), EXACT),
        "float32 matmul": (lambda t: torch.mm(t[0], t[0].T), ROUNDED),
        "float16 matmul": (lambda t: torch.mm(t[0].half(), t[0].half().T).float(), HALF),
        "softmax": (lambda t: t[2].softmax(-1), ROUNDED),
        "argmax": (lambda t: t[2].argmax(-1), EXACT),
        "sort": (lambda t: t[2].sort(-1, descending=True).values, EXACT),
        "cumsum": (lambda t: t[2].softmax(-1).cumsum(-1), ROUNDED),
    }
