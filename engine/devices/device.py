"""What there is to run on, which of it to take, and how much memory it has and uses.

torch is imported when a function needs it, never by importing this module.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..config import Layout
from ..errors import DeviceUnavailable
from ..events import DeviceMemory
from . import selftest
from .backend import UNKNOWN, Backend, Kind, T, quietly
from .cpu import Cpu
from .cuda import Cuda
from .directml import DirectMl, tidy
from .mps import Mps
from .selftest import Check
from .thread import on_its_thread
from .xpu import Xpu

if TYPE_CHECKING:
    import torch

BACKENDS: dict[Kind, Backend] = {"directml": DirectMl(), "cuda": Cuda(), "mps": Mps(), "xpu": Xpu(), "cpu": Cpu()}
"""In the order of `auto`."""


@dataclass(frozen=True, slots=True)
class Device:
    kind: Kind
    index: int
    name: str
    """What the maker calls it."""
    torch_name: str
    """What `torch.device` calls it, such as `cuda:0`."""
    total: int | None
    """Bytes of memory, None when unknown; `free` is as it was when the device was listed."""
    free: int | None
    dtypes: tuple[str, ...]
    """Of the weights and activations it can compute with, as torch names."""

    @property
    def spec(self) -> str:
        """What a person types to get this one: `cpu`, `mps`, `cuda:0`, `xpu:0` or `directml:0`."""
        return self.kind if self.kind in ("cpu", "mps") else f"{self.kind}:{self.index}"

    @property
    def kv(self) -> Layout:
        """Where the KV lives on it."""
        return BACKENDS[self.kind].kv


def list_devices() -> list[Device]:
    """Everything there is on this machine, in the order of `auto`; the CPU is always the last."""
    found: list[Device] = []
    for kind, backend in BACKENDS.items():
        # A broken driver raises whatever it likes; the machine then simply lacks that kind of device.
        try:
            found += [_device(kind, i, name) for i, name in enumerate(backend.names())]
        except Exception:
            continue
    return found


def usable_devices() -> list[Device]:
    """Those that `auto` takes, the first one first: all that pass the self-test, and the CPU."""
    return [device for device in list_devices() if trouble(device) is None]


def trouble(device: Device) -> str | None:
    """Why `auto` skips a device: the first check of the self-test that fails, None when all pass or for the CPU.

    Tried once a process, in well under a second once the driver is awake.
    """
    if device.kind == "cpu":
        return None
    return selftest.trouble(BACKENDS[device.kind], device.index, device.spec, device.name)


def pick_device(spec: str = "auto") -> Device:
    """The device that `spec` names: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`, `xpu`, `directml` or `dml`.

    `auto` prefers DirectML, then CUDA, MPS, XPU and the CPU, of those that pass the self-test. Raises
    DeviceUnavailable, saying what there is.
    """
    parsed = re.fullmatch(r"(auto|cpu|mps|cuda|xpu|directml|dml)(?::(\d+))?", str(spec).strip().lower())
    if parsed and parsed[1] == "cpu" and not int(parsed[2] or 0):
        return _device("cpu", 0, BACKENDS["cpu"].names()[0])
    if parsed and parsed[1] == "auto" and not parsed[2]:
        return next(device for device in list_devices() if trouble(device) is None)
    devices = list_devices()
    here = ", ".join(f"{d.spec} ({d.name})" for d in devices)
    if parsed is None or parsed[1] == "auto":
        raise DeviceUnavailable(f'"{spec}" is not the name of a device; use auto or one of: {here}.')
    kind = "directml" if parsed[1] == "dml" else parsed[1]
    for device in devices:
        if device.kind == kind and device.index == int(parsed[2] or 0):
            return device
    hint = ""
    if kind == "directml" and not any(d.kind == kind for d in devices):
        hint = " (it needs Windows and the directml extra)"
    raise DeviceUnavailable(f'There is no device "{spec}" on this machine{hint}; use auto or one of: {here}.')


def torch_device(device: Device) -> torch.device:
    """The torch.device to put tensors on."""
    made: torch.device = BACKENDS[device.kind].device(device.index)
    return made


def read_memory(device: Device) -> DeviceMemory:
    """The device's memory now; costs well under a millisecond. Zeros stand for what it does not tell."""
    total, free, process, _ = BACKENDS[device.kind].memory(device.index, device.name)
    return DeviceMemory(total=total, free=free, process=process)


def peak_memory(device: Device) -> int | None:
    """The most bytes that this process ever held on the device, None where nobody counts them."""
    return BACKENDS[device.kind].memory(device.index, device.name)[3]


def on_device(device: Device, call: Callable[[], T]) -> T:
    """Run `call` on the thread that the device's work must come from; the caller waits for it."""
    return on_its_thread(BACKENDS[device.kind], call)


def check_device(device: Device) -> list[Check]:
    """The whole self-test, told."""
    return on_device(device, lambda: list(selftest.checks(BACKENDS[device.kind], device.index)))


def synchronize(device: Device) -> None:
    """Wait for all work given to the device."""
    BACKENDS[device.kind].synchronize(device.index)


def give_back(device: Device) -> None:
    """Hand the memory of what nobody holds any more from torch's own store back to the device."""
    gc.collect()
    BACKENDS[device.kind].give_back()


def _device(kind: Kind, index: int, name: str) -> Device:
    backend = BACKENDS[kind]
    clean = tidy(name) or kind
    total, free, *_ = quietly(lambda: backend.memory(index, clean), UNKNOWN)
    torch_name, dtypes = backend.torch_name(index), backend.dtypes(index)
    return Device(kind, index, clean, torch_name, total or None, free if total else None, dtypes)
