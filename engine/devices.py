"""What there is to run on, which of it to take, and how much memory it has and uses.

torch is imported when a function needs it, never by importing this module.
"""

from __future__ import annotations

import gc
import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import dxgi
from .errors import DeviceUnavailable
from .events import DeviceMemory
from .host import cpu_name, read_host

if TYPE_CHECKING:
    import torch

Kind = Literal["directml", "cuda", "mps", "xpu", "cpu"]
T = TypeVar("T")
Reading = tuple[int, int, int, int | None]
"""Bytes: total, free, held by this process, and the most that it held if anybody counts that."""
_UNKNOWN: Reading = (0, 0, 0, None)


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


def list_devices() -> list[Device]:
    """Everything usable on this machine, the one that `auto` takes first; the CPU is always the last."""
    found: list[Device] = []
    for probe in (_directml, _cuda, _mps, _xpu):
        # A broken driver raises whatever it likes; the machine then simply lacks that kind of device.
        try:
            found += probe()
        except Exception:
            continue
    return [*found, _cpu()]


def pick_device(spec: str = "auto") -> Device:
    """The device that `spec` names: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`, `xpu`, `directml` or `dml`.

    `auto` prefers DirectML, then CUDA, MPS, XPU and the CPU. Raises DeviceUnavailable, saying what there is.
    """
    parsed = re.fullmatch(r"(auto|cpu|mps|cuda|xpu|directml|dml)(?::(\d+))?", str(spec).strip().lower())
    if parsed and parsed[1] == "cpu" and not int(parsed[2] or 0):
        return _cpu()
    devices = list_devices()
    here = ", ".join(f"{d.spec} ({d.name})" for d in devices)
    if parsed is None or (parsed[1] == "auto" and parsed[2]):
        raise DeviceUnavailable(f'"{spec}" is not the name of a device; use auto or one of: {here}.')
    if parsed[1] == "auto":
        return devices[0]
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
    import torch

    if device.kind == "directml":
        # torch knows the name only after torch_directml was imported.
        made: torch.device = _load_directml().device(device.index)
        return made
    return torch.device(device.torch_name)


def supported_dtypes(kind: Kind, index: int = 0) -> tuple[str, ...]:
    """Torch names of the floating dtypes that such a device computes with; float32 is always the first."""
    import torch

    brain = True
    if kind == "directml":
        brain = False  # Not an error there but the end of the process.
    elif kind == "cuda":
        # Volta and older only emulate it. AMD cards all have it, and their numbers mean something else.
        brain = bool(torch.version.hip) or torch.cuda.get_device_capability(index)[0] >= 8
    elif kind == "mps":
        brain = torch.backends.mps.is_macos_or_newer(14, 0)
    elif kind == "xpu":
        brain = _quietly(torch.xpu.is_bf16_supported, True)
    return ("float32", "float16", "bfloat16") if brain else ("float32", "float16")


def read_memory(device: Device) -> DeviceMemory:
    """The device's memory now; costs well under a millisecond. Zeros stand for what it does not tell."""
    total, free, process, _ = _memory(device.kind, device.index, device.name)
    return DeviceMemory(total=total, free=free, process=process)


def peak_memory(device: Device) -> int | None:
    """The most bytes that this process ever held on the device, None where nobody counts them."""
    return _memory(device.kind, device.index, device.name)[3]


def synchronize(device: Device) -> None:
    """Wait for all work given to the device. DirectML has no such call: copying a result to the CPU waits."""
    import torch

    if device.kind == "cuda":
        torch.cuda.synchronize(device.index)
    elif device.kind == "xpu":
        torch.xpu.synchronize(device.index)
    elif device.kind == "mps":
        torch.mps.synchronize()


def give_back(device: Device) -> None:
    """Hand the memory of what nobody holds any more from torch's own store back to the device."""
    import torch

    gc.collect()
    if device.kind == "cuda":
        torch.cuda.empty_cache()
    elif device.kind == "xpu":
        torch.xpu.empty_cache()
    elif device.kind == "mps":
        torch.mps.empty_cache()


def _memory(kind: Kind, index: int, name: str) -> Reading:
    if kind == "cpu":
        host = read_host()
        return host.total, host.available, host.resident, host.peak
    import torch

    if kind == "cuda":
        free, total = torch.cuda.mem_get_info(index)
        return total, free, torch.cuda.memory_reserved(index), torch.cuda.max_memory_reserved(index)
    if kind == "xpu":
        reserved, peak = torch.xpu.memory_reserved(index), torch.xpu.max_memory_reserved(index)
        total = torch.xpu.get_device_properties(index).total_memory
        # Before torch 2.6, and with some drivers, only the total can be had.
        free, total = _quietly(lambda: torch.xpu.mem_get_info(index), (max(total - reserved, 0), total))
        return total, free, reserved, peak
    if kind == "mps":
        total, process = torch.mps.recommended_max_memory(), torch.mps.driver_allocated_memory()
        # Its memory is the machine's own.
        return total, max(min(total - process, read_host().available), 0), process, None
    adapter = dxgi.find(name, _twins_before(index, name))
    if adapter is None:
        return _UNKNOWN
    # DirectML never gives memory back, so what it holds is also the most that it held.
    return adapter.total, max(adapter.budget - adapter.usage, 0), adapter.usage, adapter.usage


def _device(kind: Kind, index: int, name: str, torch_name: str) -> Device:
    clean = name.replace("\x00", "").strip() or kind
    total, free, *_ = _quietly(lambda: _memory(kind, index, clean), _UNKNOWN)
    dtypes = supported_dtypes(kind, index)
    return Device(kind, index, clean, torch_name, total or None, free if total else None, dtypes)


def _directml() -> list[Device]:
    if (module := _load_directml()) is None or not module.is_available():
        return []
    names = [str(module.device_name(i)) for i in range(module.device_count())]
    return [_device("directml", i, name, f"privateuseone:{i}") for i, name in enumerate(names)]


def _cuda() -> list[Device]:
    import torch

    if not torch.cuda.is_available():
        return []
    count = torch.cuda.device_count()
    return [_device("cuda", i, torch.cuda.get_device_name(i), f"cuda:{i}") for i in range(count)]


def _mps() -> list[Device]:
    import torch

    return [_device("mps", 0, cpu_name(), "mps")] if torch.backends.mps.is_available() else []


def _xpu() -> list[Device]:
    import torch

    if not torch.xpu.is_available():
        return []
    count = torch.xpu.device_count()
    return [_device("xpu", i, torch.xpu.get_device_name(i), f"xpu:{i}") for i in range(count)]


def _cpu() -> Device:
    return _device("cpu", 0, cpu_name(), "cpu")


def _load_directml() -> Any:
    """The torch_directml module, or None. Off Windows its import fails, or asking it for devices crashes."""
    if sys.platform != "win32" and "torch_directml" not in sys.modules:
        return None
    try:
        return importlib.import_module("torch_directml")
    except Exception:
        return None


def _twins_before(index: int, name: str) -> int:
    """How many DirectML devices before this one have its name."""
    module = _load_directml()
    before = [str(module.device_name(i)).replace("\x00", "").strip() for i in range(index)] if module else []
    return before.count(name)


def _quietly(read: Callable[[], T], otherwise: T) -> T:
    """What a driver says, or something else when it fails."""
    try:
        return read()
    except Exception:
        return otherwise
