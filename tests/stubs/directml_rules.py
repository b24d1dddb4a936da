"""What a DirectML device may be asked to do, and what it was asked: the guard behind the emulated device.

Facts are of torch 2.4.1 with torch-directml 0.2.5; which operators it has is in directml_ops.txt.
"""

from __future__ import annotations

import threading
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

RANK = 5
UNSUPPORTED = {torch.bfloat16, torch.float64, torch.complex64, torch.complex128}
HIDDEN = {
    "_index_put_impl_", "index.Tensor_out", "isin.Tensor_Tensor_out", "multinomial", "multinomial.out", "exponential_",
    "uniform_", "normal_", "random_", "random_.from", "random_.to", "bernoulli_.float", "randperm.generator_out",
}  # fmt: skip
"""Registered, but a round trip through the CPU inside."""
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2"}
VIEWS = {
    "as_strided", "view", "_unsafe_view", "alias", "_reshape_alias", "detach", "empty.memory_format", "empty_strided",
}  # fmt: skip
"""Make no kernel."""
COMPOSED = {"explicit": "CompositeExplicitAutograd", "implicit": "CompositeImplicitAutograd"}


@cache
def kinds() -> dict[str, str]:
    """Of each operator: native, structured, explicit, implicit or fallback."""
    found, kind = {}, ""
    for line in (Path(__file__).parent / "directml_ops.txt").read_text().splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif not line.startswith("#"):
            found.update(dict.fromkeys(line.split(), kind))
    return found


class Guard:
    """Counts offences by rule, waits for the device, and the kernels that it had to compile."""

    def __init__(self) -> None:
        self.offences: dict[str, Counter[str]] = {}
        self.waits = 0
        self.kernels: set[Any] = set()
        self.threads: set[int] = set()
        self.operators: Counter[str] = Counter()

    def see(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """Note one operator; returns the dispatch key of the composition that it stands for, None for a kernel."""
        name = short(func)
        kind = kinds().get(name, "unknown")
        self.threads.add(threading.get_ident())
        self._operands(name, func, args, kwargs)
        key = None if name in VIEWS else COMPOSED.get(kind)
        if key and func.has_kernel_for_dispatch_key(getattr(torch._C.DispatchKey, key)):
            return key
        self.operators[name] += 1
        if kind == "structured":
            name, kind = _kernel_of(func)
        if kind != "native" and name not in VIEWS:
            self.blame("falls back to the CPU" if kind == "fallback" else "is unknown", name)
        if name in HIDDEN:
            self.blame("is a round trip through the CPU", name)
        if name in WAITING:
            self.waits += 1
        if name not in VIEWS:
            self.kernels.add((name, _signature(args), _signature(tuple(kwargs.values()))))
        return None

    def made(self, func: Any, result: Any) -> None:
        """Note what an operator gave."""
        for t in tensors(result):
            if t.dtype in UNSUPPORTED:
                self.blame("has an unsupported dtype", f"{short(func)} {t.dtype}")
            if t.dim() > RANK:
                self.blame("has over five axes", short(func))

    def blame(self, rule: str, what: str) -> None:
        self.offences.setdefault(rule, Counter())[what] += 1

    def _operands(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = list(tensors((args, kwargs)))
        if torch.is_inference_mode_enabled() or any(t.is_inference() for t in given):
            self.blame("runs in inference mode", name)
        if any(t.dim() > RANK for t in given):
            self.blame("has over five axes", name)
        if name.startswith("mul") and {t.dtype for t in given if t.dim()} > {torch.bool}:
            self.blame("multiplies by bool", name)
        if name.startswith("rsub"):
            self.blame("makes a float64 scalar", name)
        if name.startswith("gather") and 0 in args[2].stride() and args[2].numel() > 1:
            self.blame("gathers by an expanded index", name)
        if name.startswith("scatter") and (args[2].dim() != args[0].dim() or _other_axes(args[0], args[2], args[1])):
            self.blame("scatters by part of a row", name)
        for place, argument in enumerate(func._schema.arguments):
            value = kwargs.get(argument.name) if argument.kwarg_only else args[place] if place < len(args) else None
            written = argument.alias_info is not None and argument.alias_info.is_write
            if written and isinstance(value, Tensor) and value.storage_offset():
                self.blame("writes to a view at an offset", name)


def short(func: Any) -> str:
    """`add.Tensor` or `relu`."""
    name, overload = func._schema.name.removeprefix("aten::"), func._schema.overload_name
    return f"{name}.{overload}" if overload else name


def tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _other_axes(whole: Tensor, index: Tensor, axis: int) -> bool:
    """Whether the index differs from the whole along another axis."""
    return any(a != b for i, (a, b) in enumerate(zip(whole.shape, index.shape, strict=True)) if i != axis % whole.dim())


@cache
def _kernel_of(func: Any) -> tuple[str, str]:
    """The operator with an output argument that does the work of a structured one, and its kind."""
    base = func._schema.name.split("::")[1]
    packet = getattr(torch.ops.aten, base.removesuffix("_"))
    wanted = [str(a.type) for a in func._schema.arguments]
    for overload in packet.overloads():
        candidate = getattr(packet, overload)
        inputs = [str(a.type) for a in candidate._schema.arguments if not a.is_out]
        if len(inputs) < len(candidate._schema.arguments) and inputs == wanted:
            return short(candidate), kinds().get(short(candidate), "fallback")
    return short(func), "unknown"


def _signature(value: Any) -> Any:
    """What a compiled kernel is chosen by."""
    if isinstance(value, Tensor):
        return tuple(value.shape), value.stride(), str(value.dtype)
    if isinstance(value, (list, tuple)):
        return tuple(_signature(v) for v in value)
    return value if isinstance(value, (int, float, bool, str, type(None))) else str(value)
