"""Int8 linear layers for x86 CPUs: per-channel weights, per-row activations, int32 sums.

By oneDNN on two Cascade Lake cores at 11,264 x 2,048: 1.1 ms at 1 row and 1.4 at 9, against 4.0 and 12.7 in float32.
The same scheme as compressed-tensors "int-quantized" W8A8 with dynamic per-token activations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..shortage import is_out_of_memory
from .int8_kernels import Kernel, Multiply, kernels, pack

SMALLEST = 1e-10
"""Keeps a row of zeros from dividing by zero."""
FLOOR = torch.full((1, 1), SMALLEST)

HOPELESS = 0.3
"""Seconds of one call after which no other is made: even a busy machine needs a tenth of that on a good path."""
PROBE = (4096, 1024)
"""Large enough that reading the weight is most of the work."""
PROBE_ROWS = (1, 5)
"""Plain decoding, and a verification at depth 4."""


class Int8Weight(NamedTuple):
    """A matrix rounded to bytes: row i is `values[i] * scales[i]`."""

    values: Tensor
    """`[out, in]` int8."""
    scales: Tensor
    """`[out]` float32."""

    @classmethod
    def of(cls, weight: Tensor) -> Int8Weight:
        """Round a `[out, in]` weight, each output channel to its own scale."""
        weight = weight.float()
        scales = (weight.abs().amax(1) / 127).clamp(min=SMALLEST)
        return cls((weight / scales[:, None]).round_().clamp_(-127, 127).to(torch.int8), scales)

    def multiplied_out(self) -> Tensor:
        return self.values.float() * self.scales[:, None]


@dataclass(frozen=True, slots=True)
class Int8Linear:
    """`[rows, in]` float32 to `[rows, out]` float32, as `F.linear` with an int8 weight."""

    multiply: Multiply
    scales: Tensor
    """`[out]`: the weight is the packed integer times this."""
    bias: Tensor | None
    nbytes: int

    @classmethod
    def of(cls, weight: Tensor | Int8Weight, bias: Tensor | None, kernel: Kernel) -> Int8Linear:
        """From a `[out, in]` weight, which is rounded, or one that already is."""
        values, scales = weight if isinstance(weight, Int8Weight) else Int8Weight.of(weight)
        size = values.numel() + 4 * scales.numel()
        return cls(pack(kernel, values, scales), scales, None if bias is None else bias.float(), size)

    def __call__(self, x: Tensor) -> Tensor:
        # The infinity norm in one call is not vectorised: 75 us for 5 rows of 5,632, against 6.
        scale = torch.add(FLOOR, x.abs().amax(-1, keepdim=True), alpha=1 / 127)
        y = self.multiply(x / scale).mul_(scale)
        return y if self.bias is None else y + self.bias


class Int8Support(NamedTuple):
    """What this CPU does with int8."""

    kernel: Kernel
    """The one that multiplies fastest here."""
    pays: bool
    """Whether that beats float32 where weights come from memory."""


@cache
def int8_support() -> Int8Support | None:
    """Measured once a process, in well under a second; None where this torch has no such operator."""
    weight = torch.randn(PROBE, generator=torch.Generator().manual_seed(0))
    timed: list[tuple[float, Kernel]] = []
    for kernel in kernels():
        try:
            if _is_exact(kernel):
                timed.append((_seconds(Int8Linear.of(weight, None, kernel), weight), kernel))
        except (RuntimeError, NotImplementedError) as error:
            if is_out_of_memory(error):
                raise
            continue  # No such kernel in this build of torch.
    if not timed:
        return None
    seconds, kernel = min(timed)
    return Int8Support(kernel, seconds < _seconds(lambda x: F.linear(x, weight), weight))


def _is_exact(kernel: Kernel) -> bool:
    """Without VNNI fbgemm adds pairs of products in 16 bits, which the largest ones overflow."""
    values = torch.full((64, 512), 127, dtype=torch.int8)
    product = pack(kernel, values, torch.ones(64))(torch.full((1, 512), 127.0))
    return bool((product == 127 * 127 * 512).all())


def _seconds(linear: Callable[[Tensor], Tensor], weight: Tensor) -> float:
    return sum(_best_seconds(partial(linear, weight[:rows])) for rows in PROBE_ROWS)


def _best_seconds(run: Callable[[], Tensor]) -> float:
    """Of three calls after one; stops early where one call already takes long."""
    best = float("inf")
    for attempt in range(4):
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        if attempt or seconds > HOPELESS:
            best = min(best, seconds)
        if seconds > HOPELESS:
            break
    return best
