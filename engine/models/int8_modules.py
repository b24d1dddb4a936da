"""Int8 for architectures that `fused` does not know: the model's own linears are replaced, everything else stays."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from .int8_kernels import Kernel
from .quantize import Int8Linear, Int8Weight


class Int8Module(nn.Module):
    """Takes the place of an `nn.Linear` (or GPT-2's `Conv1D`): any shape `[..., in]` to `[..., out]`, in its dtype."""

    def __init__(self, linear: Int8Linear, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = linear
        self.in_features, self.out_features = inputs, outputs

    def forward(self, x: Tensor) -> Tensor:
        rows = self.linear(x.reshape(-1, self.in_features).float())
        return rows.view(*x.shape[:-1], self.out_features).to(x.dtype)


Replaced = dict[str, nn.Module]
"""The float modules by name."""


def why_not(model: Any) -> str | None:
    """Why the linears of a model cannot all be int8; None if they can."""
    if any(p.dim() == 3 for p in model.parameters()):
        return "its experts are kept in one tensor, not in linear layers"
    if not any(_fits(m) for m in model.modules()):
        return "it has no linear layers of the usual kind"
    return None


def replace_linears(model: Any, kernel: Kernel) -> Replaced:
    """Put an `Int8Module` in the place of every linear, the output layer too; returns what was there."""
    replaced: Replaced = {name: module for name, module in model.named_modules() if _fits(module)}
    for name, module in replaced.items():
        weight: Int8Weight | Tensor = getattr(module, "int8", None) or _weight(module)
        outputs, inputs = (weight.values if isinstance(weight, Int8Weight) else weight).shape
        bias: Any = module.bias
        _put(model, name, Int8Module(Int8Linear.of(weight, bias, kernel), inputs, outputs))
    return replaced


def put_back(model: Any, replaced: Replaced) -> None:
    for name, module in replaced.items():
        _put(model, name, module)


def int8_bytes(model: Any) -> int:
    """Of all int8 weights in a model; 0 where nothing was replaced."""
    return sum(m.linear.nbytes for m in model.modules() if isinstance(m, Int8Module))


def _fits(module: nn.Module) -> bool:
    return isinstance(module, (nn.Linear, Conv1D))


def _weight(module: Any) -> Tensor:
    """`[out, in]`."""
    weight: Tensor = module.weight.detach()
    return weight.t() if isinstance(module, Conv1D) else weight


def _put(model: Any, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module.train(False))
