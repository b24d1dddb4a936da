"""RMS norm of few rows, lean on a CPU; there a row gives the same bits however many come with it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class Norm:
    def __init__(self, weight: Tensor, eps: float, explicit: bool = False) -> None:
        """`explicit`: spelled out in float32, where no fused operator is to be trusted."""
        self._weight, self._eps, self._explicit = weight, eps, explicit
        self._size = len(weight)
        self._lean = weight.device.type == "cpu" and weight.dtype == torch.float32 and not explicit
        self._floor = torch.full((1, 1), eps) if self._lean else weight

    def float(self) -> Norm:
        return Norm(self._weight.float(), self._eps)

    def __call__(self, x: Tensor) -> Tensor:
        if self._explicit:
            wide = x.float()
            scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self._eps)
            return scaled.to(x.dtype) * self._weight
        if not self._lean:
            return F.rms_norm(x, self._weight.shape, self._weight, self._eps)
        # On a CPU rms_norm is many small kernels.
        length = torch.linalg.vector_norm(x, 2, -1, keepdim=True)
        scale = torch.addcmul(self._floor, length, length, value=1 / self._size).rsqrt_()
        return (x * scale).mul_(self._weight)
