"""A DirectML device emulated in Python, no compiler needed: tensors on `privateuseone:0` whose numbers are the CPU's.

A tensor there cannot be mixed with the CPU's, is read only by copying it, and every operator on it passes the guard,
which sees into composed ones. `emulated()` puts a fake torch_directml in front of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from directml_rules import Guard, short, tensors
from torch import Tensor
from torch.utils._pytree import tree_map

HERE = torch.device("privateuseone:0")
_guards = [Guard()]


class Dml(Tensor):
    """A tensor of the emulated device."""

    inner: Tensor
    # Without this torch would make every result, also one on the CPU, a Dml again.
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> Dml:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype, device=HERE
        )
        made.inner = inner
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Dml{tuple(self.shape)}"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _dispatch(func, args, kwargs or {})

    def __getitem__(self, index: Any) -> Any:
        """As torch's own, which asks for a device guard that only C++ can give."""
        steps = list(index) if isinstance(index, tuple) else [index]
        if Ellipsis in [s for s in steps if not isinstance(s, Tensor)]:
            at = steps.index(Ellipsis)
            missing = self.dim() - sum(s is not None for s in steps) + 1
            steps[at : at + 1] = [slice(None)] * missing
        out: Any = self
        axis = 0
        for step in steps:
            if step is None:
                out = out.unsqueeze(axis)
            elif isinstance(step, int):
                out = out.select(axis, step)
                continue
            elif isinstance(step, slice):
                if step != slice(None):
                    out = torch.ops.aten.slice.Tensor(out, axis, step.start, step.stop, step.step or 1)
            else:
                out = torch.ops.aten.index.Tensor(out, [None] * axis + [torch.as_tensor(step)])
            axis += 1
        return out

    def contiguous(self, *_: Any, **__: Any) -> Dml:
        """The next ones as well are torch's own but for that guard."""
        return self if self.is_contiguous() else self.clone(memory_format=torch.contiguous_format)

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, Tensor):
            torch.ops.aten.index_put_.default(self, [index], torch.as_tensor(value).to(self.device))
            return
        part = self[index]
        if isinstance(value, Tensor):
            torch.ops.aten.copy_.default(part, value)
        else:
            part.fill_(value)


def _dispatch(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    guard = _guards[-1]
    name = short(func)
    if name in ("_to_copy", "copy_", "_copy_from"):
        return _copy(guard, name, func, args, kwargs)
    if any(not isinstance(t, Dml) and t.dim() for t in tensors((args, kwargs))):
        raise RuntimeError(f"Expected all tensors to be on the same device: {name} got some of the CPU")
    key = guard.see(func, args, kwargs)
    if key:
        return func._op_dk(getattr(torch._C.DispatchKey, key), *args, **kwargs)
    given = {id(t.inner): t for t in tensors((args, kwargs)) if isinstance(t, Dml)}
    shapes = {number: t.inner.shape for number, t in given.items()}
    if "device" in kwargs:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    made = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    if any(t.inner.shape != shapes[number] for number, t in given.items()):
        guard.blame("resizes its output", name)
    result = tree_map(lambda t: given[id(t)] if id(t) in given else Dml(t) if isinstance(t, Tensor) else t, made)
    guard.made(func, result)
    return result


def _copy(guard: Guard, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Between devices, or between dtypes on one."""
    if name == "_to_copy":
        device = kwargs.pop("device", None)
        leaves = device is not None and device.type == "cpu"
        if not leaves:
            guard.see(torch.ops.aten.copy_.default, (args[0], args[0]), {"dtype": str(kwargs.get("dtype"))})
        guard.waits += leaves
        made = func(args[0].inner, **kwargs)
        result = made.clone() if leaves else Dml(made)
        guard.made(func, result if not leaves else None)
        return result
    target, source = (args[1], args[0]) if name == "_copy_from" else (args[0], args[1])
    guard.waits += not isinstance(target, Dml)
    if isinstance(target, Dml):
        guard.made(func, target)
        if isinstance(source, Dml):
            guard.see(torch.ops.aten.copy_.default, (target, source), {})
        elif target.storage_offset():
            guard.blame("writes to a view at an offset", name)
    _inner(target).copy_(_inner(source))
    return target


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Dml) else value


def _empty(size: Any, dtype: Any = None, *_: Any, **__: Any) -> Dml:
    # Rubbish, so that who reads it shows.
    made = torch.empty(size, dtype=dtype)
    return Dml(made.fill_(float("nan")) if made.is_floating_point() else made.fill_(1))


def _empty_strided(size: Any, stride: Any, dtype: Any = None, *_: Any, **__: Any) -> Dml:
    return Dml(torch.empty_strided(size, stride, dtype=dtype))


def _arange(*bounds: Any, dtype: Any = None, **_: Any) -> Dml:
    made = Dml(torch.arange(*bounds, dtype=dtype))
    _guards[-1].see(torch.ops.aten.arange.start_out, (*bounds,), {"out": made})
    return made


def _full(size: Any, value: Any, dtype: Any = None, *_: Any, **__: Any) -> Dml:
    made = Dml(torch.full(size, value, dtype=dtype))
    _guards[-1].see(torch.ops.aten.full.default, (list(size), value), {})
    return made


def _register() -> torch.library.Library:
    """Tell torch how tensors come to be there; once a process."""
    library = torch.library.Library("aten", "IMPL")
    makers = {
        "empty.memory_format": _empty, "empty_strided": _empty_strided, "full": _full, "arange": _arange,
        "arange.start": _arange, "arange.start_step": _arange,
        "_copy_from": lambda *args: _dispatch(torch.ops.aten._copy_from.default, args, {}),
    }  # fmt: skip
    for name, make in makers.items():
        library.impl(name, make, "PrivateUse1")
    module = ModuleType("torch.privateuseone")
    for name, answer in {
        "is_initialized": True, "is_available": True, "_lazy_init": None, "_is_in_bad_fork": False,
        "manual_seed_all": None,
        "current_device": 0, "device_count": 1,
    }.items():  # fmt: skip
        setattr(module, name, lambda *_, answer=answer: answer)
    torch._register_device_module("privateuseone", module)
    return library


_library = _register()


def fake_module(*names: str, **changes: Any) -> ModuleType:
    """A torch_directml with devices of those names, all of them the emulated one."""
    module = ModuleType("torch_directml")
    answers = {
        "is_available": lambda: bool(names),
        "device_count": lambda: len(names),
        "device_name": lambda i: names[i],
        "device": lambda i: HERE,
    }
    for name, value in {**answers, **changes}.items():
        setattr(module, name, value)
    return module


@contextmanager
def emulated(*names: str, **changes: Any) -> Iterator[Guard]:
    """Within it torch_directml is there, with devices of those names ("Fake Radeon"), and what it does is guarded."""
    before = sys.modules.get("torch_directml")
    sys.modules["torch_directml"] = fake_module(*(names or ("Fake Radeon\x00",)), **changes)
    _guards.append(Guard())
    try:
        yield _guards[-1]
    finally:
        _guards.pop()
        if before is None:
            del sys.modules["torch_directml"]
        else:
            sys.modules["torch_directml"] = before
