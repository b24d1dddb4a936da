"""Int8 linear layers for x86 CPUs: per-channel weights, per-row activations, int32 sums (oneDNN's, through torch).

Measured on two Cascade Lake cores at 11,264 x 2,048: 1.1 ms at 1 row and 1.4 ms at 9, against 4.0 and 12.7 in float32.
The same scheme as compressed-tensors "int-quantized" W8A8 with dynamic per-token activations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..shortage import is_out_of_memory

LEAST_ROWS = 4
"""A single row falls on a path 20 to 100 times slower for some shapes."""
SMALLEST = 1e-10
"""Keeps a row of zeros from dividing by zero."""

HOPELESS = 0.3
"""Seconds of one call after which no other is made: even a busy machine needs a tenth of that on a good path."""
PROBE = (4096, 1024)
"""Large enough that reading the weight is most of the work."""

Activations = Literal["uint8", "int8"]
"""CPUs with AMX multiply signed bytes; those with VNNI alone need unsigned ones and are 100 times slower otherwise."""


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

    packed: Tensor
    scales: Tensor
    """`[out]`: the weight is the packed integer times this."""
    zeros: Tensor
    bias: Tensor | None
    activations: Activations

    @classmethod
    def of(cls, weight: Tensor | Int8Weight, bias: Tensor | None, activations: Activations) -> Int8Linear:
        """From a `[out, in]` weight, which is rounded, or one that already is."""
        values, scales = weight if isinstance(weight, Int8Weight) else Int8Weight.of(weight)
        packed = torch.ops.onednn.qlinear_prepack(values.contiguous(), None)
        zeros = torch.zeros(len(scales), dtype=torch.int32)
        return cls(packed, scales, zeros, None if bias is None else bias.float(), activations)

    @property
    def nbytes(self) -> int:
        return self.packed.numel() + 4 * self.scales.numel()

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.shape[0]
        if rows < LEAST_ROWS:
            x = F.pad(x, (0, 0, 0, LEAST_ROWS - rows))
        scale = (x.abs().amax(-1, keepdim=True) / 127).clamp_(min=SMALLEST)
        signed = (x / scale).round_()
        shifted = self.activations == "uint8"
        y: Tensor = torch.ops.onednn.qlinear_pointwise(
            signed.add_(128).to(torch.uint8) if shifted else signed.to(torch.int8),
            1.0, 128 if shifted else 0, self.packed, self.scales, self.zeros, None,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        y = y.mul_(scale)[:rows]
        return y if self.bias is None else y + self.bias


class Int8Support(NamedTuple):
    """What this CPU does with int8."""

    activations: Activations
    """The kind it multiplies faster."""
    pays: bool
    """Whether that beats float32 where weights come from memory."""


@cache
def int8_support() -> Int8Support | None:
    """Measured once a process, in well under a second; None where this torch has no such operator."""
    if not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        return None
    weight = torch.randn(PROBE, generator=torch.Generator().manual_seed(0))
    x = weight[:LEAST_ROWS]
    timed: list[tuple[float, Activations]] = []
    kinds: tuple[Activations, ...] = ("uint8", "int8")
    for kind in kinds:
        try:
            timed.append((_best_seconds(partial(Int8Linear.of(weight, None, kind), x)), kind))
        except (RuntimeError, NotImplementedError) as error:
            if is_out_of_memory(error):
                raise
            continue  # No such kernel in this build of torch.
    if not timed:
        return None
    seconds, activations = min(timed)
    return Int8Support(activations, seconds < _best_seconds(partial(F.linear, x, weight)))


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
