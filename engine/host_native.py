"""Memory of the machine and of this process on Windows and macOS, by ctypes.

Each reader returns (total, available, resident, peak) in bytes; tests give it a system library of their own.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from functools import cache
from typing import Any

Reading = tuple[int, int, int, int]


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("available_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("available_virtual", ctypes.c_uint64),
        ("available_extended_virtual", ctypes.c_uint64),
    ]


class ProcessMemory(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("quota_peak_paged", ctypes.c_size_t),
        ("quota_paged", ctypes.c_size_t),
        ("quota_peak_nonpaged", ctypes.c_size_t),
        ("quota_nonpaged", ctypes.c_size_t),
        ("pagefile", ctypes.c_size_t),
        ("peak_pagefile", ctypes.c_size_t),
    ]


class VmStatistics(ctypes.Structure):
    """vm_statistics64 of Mach, in pages."""

    _fields_ = [
        ("free", ctypes.c_uint32),
        ("active", ctypes.c_uint32),
        ("inactive", ctypes.c_uint32),
        ("wired", ctypes.c_uint32),
        ("events", ctypes.c_uint64 * 9),
        ("purgeable", ctypes.c_uint32),
        ("speculative", ctypes.c_uint32),
        ("swapping", ctypes.c_uint64 * 4),
        ("compressor", ctypes.c_uint32 * 4),
        ("uncompressed", ctypes.c_uint64),
    ]


class TaskInfo(ctypes.Structure):
    """mach_task_basic_info."""

    _fields_ = [
        ("virtual", ctypes.c_uint64),
        ("resident", ctypes.c_uint64),
        ("peak_resident", ctypes.c_uint64),
        ("times", ctypes.c_int32 * 4),
        ("policy", ctypes.c_int32),
        ("suspended", ctypes.c_int32),
    ]


_HOST_VM_INFO64 = 4
_MACH_TASK_BASIC_INFO = 20


def read_windows(kernel32: Any = None) -> Reading:
    lib = kernel32 or _kernel32()
    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    if not lib.GlobalMemoryStatusEx(ctypes.byref(status)):
        status = MemoryStatus()
    process = ProcessMemory(length=ctypes.sizeof(ProcessMemory))
    handle = ctypes.c_void_p(lib.GetCurrentProcess())
    if not lib.K32GetProcessMemoryInfo(handle, ctypes.byref(process), ctypes.c_uint32(process.length)):
        process = ProcessMemory()
    return status.total, status.available, process.working_set, process.peak_working_set


def read_macos(libc: Any = None, task_port: Any = None, page: int | None = None) -> Reading:
    lib = libc or _libc()
    port = task_port or ctypes.c_uint32.in_dll(lib, "mach_task_self_")
    total = ctypes.c_uint64()
    _sysctl(lib, "hw.memsize", total)
    vm = VmStatistics()
    count = ctypes.c_uint32(ctypes.sizeof(vm) // 4)
    if lib.host_statistics64(_mach_host(lib), _HOST_VM_INFO64, ctypes.byref(vm), ctypes.byref(count)):
        vm = VmStatistics()
    task = TaskInfo()
    count = ctypes.c_uint32(ctypes.sizeof(task) // 4)
    if lib.task_info(port, _MACH_TASK_BASIC_INFO, ctypes.byref(task), ctypes.byref(count)):
        task = TaskInfo()
    available = (vm.free + vm.inactive) * (page or mmap.PAGESIZE)
    return total.value, available, task.resident, task.peak_resident


def windows_cpu_name() -> str:
    if sys.platform != "win32":
        return ""
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
    except OSError:
        return ""


def macos_cpu_name(libc: Any = None) -> str:
    text = ctypes.create_string_buffer(256)
    return text.value.decode(errors="replace") if _sysctl(libc or _libc(), "machdep.cpu.brand_string", text) else ""


def _sysctl(lib: Any, name: str, into: Any) -> bool:
    size = ctypes.c_size_t(ctypes.sizeof(into))
    return bool(lib.sysctlbyname(name.encode(), ctypes.byref(into), ctypes.byref(size), None, 0) == 0)


@cache
def _kernel32() -> Any:
    lib: Any = ctypes.CDLL("kernel32")  # On 64-bit Windows there is one calling convention.
    lib.GetCurrentProcess.restype = ctypes.c_void_p
    return lib


@cache
def _libc() -> Any:
    return ctypes.CDLL(None)


@cache
def _mach_host(lib: Any) -> Any:
    # Cached, for every call takes one more reference to the port.
    return lib.mach_host_self()
