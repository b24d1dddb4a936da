"""Devices: one record and one interface for the CPU, CUDA (and ROCm), MPS, XPU and DirectML."""

from __future__ import annotations

from .backend import Kind
from .device import (
    Device,
    check_device,
    give_back,
    list_devices,
    on_device,
    peak_memory,
    pick_device,
    read_memory,
    synchronize,
    torch_device,
    trouble,
    usable_devices,
)
from .selftest import Check

__all__ = [
    "Check",
    "Device",
    "Kind",
    "check_device",
    "give_back",
    "list_devices",
    "on_device",
    "peak_memory",
    "pick_device",
    "read_memory",
    "synchronize",
    "torch_device",
    "trouble",
    "usable_devices",
]
