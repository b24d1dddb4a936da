"""The int8 multiplications that torch brings for x86 CPUs: a weight is packed once, rows of whole numbers come to it.

All sum in int32, so a row's result is the same bits whatever shares the forward. Medians of both in turn on two Zen 4
cores, in ms at 1 / 5 / 9 / 256 rows: 2,560 x 2,048 fbgemm 0.26 / 0.32 / 0.42 / 4.0, oneDNN 0.49 / 0.39 / 0.46 / 4.0;
11,264 x 2,048 fbgemm 1.1 / 1.1 / 1.6 / 20, oneDNN 1.3 / 1.2 / 1.5 / 16.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Kernel = Literal["fbgemm", "oneDNN unsigned", "oneDNN signed"]
"""CPUs with AMX multiply signed bytes; oneDNN on those with VNNI alone needs unsigned ones, and is 100 times slower
otherwise."""
Multiply = Callable[[Tensor], Tensor]
"""Float32 rows within -127 to 127, which are rounded, to float32 rows of the product with the packed weight."""

LEAST_ROWS = 4
"""For oneDNN: a single row falls on a path 20 to 100 times slower for some shapes."""
ZERO = 128
"""What stands for 0 in an unsigned byte."""


def kernels() -> list[Kernel]:
    """Those that this torch has; whether they are right and fast here is for a measurement to say."""
    found: list[Kernel] = []
    if "fbgemm" in torch.backends.quantized.supported_engines and hasattr(
        torch.ops.quantized, "linear_with_input_q_dq_qweight_dq_output_fp32"
    ):
        found.append("fbgemm")
    if hasattr(torch.ops.onednn, "qlinear_pointwise"):
        found += ["oneDNN unsigned", "oneDNN signed"]
    return found


def pack(kernel: Kernel, values: Tensor, scales: Tensor) -> Multiply:
    """For a weight whose row i is `values[i] * scales[i]`: `[out, in]` int8 and `[out]` float32."""
    if kernel == "fbgemm":
        return _Fbgemm.of(values, scales)
    return _OneDnn.of(values, scales, signed=kernel == "oneDNN signed")


@dataclass(frozen=True, slots=True)
class _Fbgemm:
    packed: Any
    linear: Any
    """The overload itself: choosing it in every call takes as long as a small product."""

    @classmethod
    def of(cls, values: Tensor, scales: Tensor) -> _Fbgemm:
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        before = torch.backends.quantized.engine
        torch.backends.quantized.engine = "fbgemm"
        try:
            with warnings.catch_warnings():  # Torch means to drop this kind of tensor; oneDNN is what remains then.
                warnings.simplefilter("ignore", UserWarning)
                weight = torch._make_per_channel_quantized_tensor(values, scales.double(), zeros, 0)
                packed = torch.ops.quantized.linear_prepack(weight, None)
        finally:
            torch.backends.quantized.engine = before
        return cls(packed, torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default)

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x, 1.0, ZERO, self.packed)
        return y


@dataclass(frozen=True, slots=True)
class _OneDnn:
    packed: Tensor
    scales: Tensor
    zeros: Tensor
    signed: bool

    @classmethod
    def of(cls, values: Tensor, scales: Tensor, *, signed: bool) -> _OneDnn:
        packed = torch.ops.onednn.qlinear_prepack(values.contiguous(), None)
        return cls(packed, scales, torch.zeros(len(scales), dtype=torch.int32), signed)

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.shape[0]
        if rows < LEAST_ROWS:
            x = F.pad(x, (0, 0, 0, LEAST_ROWS - rows))
        whole = x.round()
        y: Tensor = torch.ops.onednn.qlinear_pointwise(
            whole.to(torch.int8) if self.signed else whole.add_(ZERO).to(torch.uint8),
            1.0, 0 if self.signed else ZERO, self.packed, self.scales, self.zeros, None,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return y[:rows]
