"""The machine's own memory and processor, read from the operating system: no torch, no extra package."""

from __future__ import annotations

import mmap
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import host_native

_FEATURES = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_vnni": "avx512-vnni",
    "avx_vnni": "avx-vnni",
    "avx512_bf16": "avx512-bf16",
    "amx_int8": "amx-int8",
    "amx_bf16": "amx-bf16",
    "asimd": "neon",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
}
"""Flags of /proc/cpuinfo that decide how fast a model runs, and what to call them."""


@dataclass(frozen=True, slots=True)
class HostMemory:
    """Bytes. In a container `total` and `available` are what its memory limit leaves."""

    total: int
    available: int
    """What can be allocated without swapping, caches that the system would drop included."""
    resident: int
    """Held by this process now."""
    peak: int
    """The most that this process ever held."""


def read_host(root: Path = Path("/")) -> HostMemory:
    """A reading that takes well under a millisecond; zeros for what the system does not tell."""
    if sys.platform == "win32":
        return HostMemory(*host_native.read_windows())
    if sys.platform == "darwin":
        return HostMemory(*host_native.read_macos())
    return _read_linux(root)


def cpu_name(root: Path = Path("/")) -> str:
    """What the processor calls itself, such as `AMD Ryzen 7 7840U`."""
    if sys.platform == "win32":
        name = host_native.windows_cpu_name()
    elif sys.platform == "darwin":
        name = host_native.macos_cpu_name()
    else:
        fields = _fields(_read(root / "proc/cpuinfo"))
        name = fields.get("model name") or fields.get("Model") or fields.get("Hardware") or ""
    return " ".join(name.replace("\0", "").split()) or platform.processor() or platform.machine() or "CPU"


def cpu_features(root: Path = Path("/")) -> tuple[str, ...]:
    """The vector and matrix instructions that matter here, as far as /proc/cpuinfo tells (Linux only)."""
    fields = _fields(_read(root / "proc/cpuinfo"))
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return tuple(name for flag, name in _FEATURES.items() if flag in flags)


def _read_linux(root: Path) -> HostMemory:
    info = {k: _kib(v) for k, v in _fields(_read(root / "proc/meminfo")).items()}
    total = info.get("MemTotal", 0)
    # Kernels before 3.14 have no MemAvailable.
    available = info.get("MemAvailable", info.get("MemFree", 0) + info.get("Cached", 0))
    for limit, left in _cgroup_limits(root):
        if total == 0 or limit < total:
            total = limit
        available = min(available, left)
    pages = _read(root / "proc/self/statm").split()
    resident = int(pages[1]) * mmap.PAGESIZE if len(pages) > 1 else 0
    peak = _kib(_fields(_read(root / "proc/self/status")).get("VmHWM", ""))
    return HostMemory(total, max(available, 0), resident, max(peak, resident))


def _cgroup_limits(root: Path) -> Iterator[tuple[int, int]]:
    """(limit, bytes left of it) of every memory cgroup around this process that has a limit."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and controllers == "":
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # A limit of any ancestor holds too. In a container the path may be the host's: only base exists.
        here = base / path.lstrip("/")
        for folder in (here, *here.parents):
            if not folder.is_relative_to(base):
                break
            limit, used = _read(folder / names[0]).strip(), _read(folder / names[1]).strip()
            # "max" is no limit in v2; v1 says it with a number near 2**63.
            if limit.isdigit() and int(limit) < 2**60 and used.isdigit():
                stat = dict(row.split(" ", 1) for row in _read(folder / "memory.stat").splitlines() if " " in row)
                dropped = int(stat.get(names[2], "0"))
                yield int(limit), int(limit) - max(int(used) - dropped, 0)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _fields(text: str) -> dict[str, str]:
    """`name: value` lines; the first of a name counts (cpuinfo repeats them for every core)."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def _kib(text: str) -> int:
    number = text.split(" ", 1)[0]
    return int(number) * 1024 if number.isdigit() else 0
