"""Video memory on Windows, asked of DXGI by ctypes: torch_directml itself cannot tell how much there is.

Nothing here raises: a machine without DXGI has no adapters.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

# On 64-bit Windows there is one calling convention, so CFUNCTYPE fits COM methods.
_METHOD = ctypes.CFUNCTYPE
_POINTER = ctypes.c_void_p
_LOCAL = 0
"""The memory segment next to the GPU: video memory, or the shared memory of an integrated one."""
_SOFTWARE = 2
_RELEASE, _QUERY_INTERFACE = 2, 0
_ENUM_ADAPTERS1, _GET_DESC1, _QUERY_VIDEO_MEMORY = 12, 10, 14


class Guid(ctypes.Structure):
    _fields_ = [
        ("a", ctypes.c_uint32),
        ("b", ctypes.c_uint16),
        ("c", ctypes.c_uint16),
        ("d", ctypes.c_uint8 * 8),
    ]


FACTORY1 = Guid(0x770AAE78, 0xF26F, 0x4DBA, (0xA8, 0x29, 0x25, 0x3C, 0x83, 0xD1, 0xB3, 0x87))
ADAPTER3 = Guid(0x645967A4, 0x1392, 0x4310, (0xA7, 0x98, 0x80, 0x53, 0xCE, 0x3E, 0x93, 0xFD))


class AdapterDesc(ctypes.Structure):
    """DXGI_ADAPTER_DESC1. The name is UTF-16, also where wchar_t is wider."""

    _fields_ = [
        ("description", ctypes.c_uint16 * 128),
        ("vendor", ctypes.c_uint32),
        ("device", ctypes.c_uint32),
        ("subsystem", ctypes.c_uint32),
        ("revision", ctypes.c_uint32),
        ("dedicated_video", ctypes.c_size_t),
        ("dedicated_system", ctypes.c_size_t),
        ("shared_system", ctypes.c_size_t),
        ("luid", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
    ]
    # A LUID is two 32-bit halves, so it is aligned to four bytes; c_size_t before it is a multiple of eight.


class VideoMemory(ctypes.Structure):
    """DXGI_QUERY_VIDEO_MEMORY_INFO, bytes."""

    _fields_ = [
        ("budget", ctypes.c_uint64),
        ("usage", ctypes.c_uint64),
        ("available_reservation", ctypes.c_uint64),
        ("reservation", ctypes.c_uint64),
    ]


@dataclass(frozen=True, slots=True)
class Adapter:
    name: str
    total: int
    budget: int
    """What Windows lets this process use just now; less while other programs use the GPU."""
    usage: int
    """What this process uses."""
    luid: int = 0
    """What Windows calls it until it is restarted."""
    shared: bool = False
    """Whether it works in the machine's memory, having little of its own."""


def find(name: str, nth: int = 0, library: Any = None) -> Adapter | None:
    """The nth adapter of that name: DXGI may number them otherwise than DirectML does."""
    same = [a for a in adapters(library) if a.name == name]
    return same[min(nth, len(same) - 1)] if same else None


def adapters(library: Any = None) -> list[Adapter]:
    """Every hardware adapter, read anew."""
    lib = library or _dxgi()
    if lib is None:
        return []
    factory = _POINTER()
    try:
        if lib.CreateDXGIFactory1(ctypes.byref(FACTORY1), ctypes.byref(factory)) != 0 or not factory:
            return []
    except (OSError, AttributeError):
        return []
    found = []
    try:
        number = 0
        while (adapter := _enum(factory, number)) is not None:
            try:
                read = _describe(adapter)
            finally:
                _release(adapter)
            if read is not None:
                found.append(read)
            number += 1
    finally:
        _release(factory)
    return found


@cache
def _dxgi() -> Any:
    if sys.platform != "win32":
        return None
    try:
        return ctypes.CDLL("dxgi")
    except OSError:
        return None


def _call(this: ctypes.c_void_p, slot: int, types: tuple[Any, ...], *args: Any) -> int:
    """Call the method in that slot of a COM object's table; returns its HRESULT, 0 for success."""
    table = ctypes.cast(this, ctypes.POINTER(ctypes.POINTER(_POINTER))).contents
    method = _METHOD(ctypes.c_int32, _POINTER, *types)(table[slot])
    return int(method(this, *args))


def _release(this: ctypes.c_void_p) -> None:
    _call(this, _RELEASE, ())


def _enum(factory: ctypes.c_void_p, number: int) -> ctypes.c_void_p | None:
    adapter = _POINTER()
    code = _call(factory, _ENUM_ADAPTERS1, (ctypes.c_uint32, _POINTER), number, ctypes.addressof(adapter))
    return adapter if code == 0 and adapter else None


def _describe(adapter: ctypes.c_void_p) -> Adapter | None:
    desc = AdapterDesc()
    if _call(adapter, _GET_DESC1, (_POINTER,), ctypes.addressof(desc)) != 0 or desc.flags & _SOFTWARE:
        return None
    name = bytes(desc.description).decode("utf-16-le", errors="replace").split("\0", 1)[0].strip()
    memory = _video_memory(adapter)
    # An integrated GPU has little of its own and works in shared memory: its budget says how much.
    total = max(desc.dedicated_video, memory.budget)
    if total == 0:
        total = desc.shared_system
    shared = total > desc.dedicated_video
    return Adapter(name, total, memory.budget or total, memory.usage, desc.luid, shared)


def _video_memory(adapter: ctypes.c_void_p) -> VideoMemory:
    memory = VideoMemory()
    newer = _POINTER()
    args = ctypes.addressof(ADAPTER3), ctypes.addressof(newer)
    if _call(adapter, _QUERY_INTERFACE, (_POINTER, _POINTER), *args) != 0 or not newer:
        return memory
    try:
        types = (ctypes.c_uint32, ctypes.c_int32, _POINTER)
        if _call(newer, _QUERY_VIDEO_MEMORY, types, 0, _LOCAL, ctypes.addressof(memory)) != 0:
            return VideoMemory()
        return memory
    finally:
        _release(newer)
