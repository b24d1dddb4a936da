"""The machine's memory from canned files, and through faked system libraries of Windows and macOS."""

from __future__ import annotations

import ctypes
import mmap
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import dxgi, host_native
from engine.host import cpu_features, cpu_name, read_host

MIB = 2**20
linux = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="reads /proc")


def machine(root: Path, **files: str) -> Path:
    """A root folder with those files; `__` in a name stands for `/`."""
    texts = {
        "proc__meminfo": "MemTotal:  16384 kB\nMemFree: 1024 kB\nMemAvailable:    8192 kB\nCached: 1 kB\n",
        "proc__self__statm": "900 500 100 1 0 300 0\n",
        "proc__self__status": "Name:\tpython\nVmHWM:\t    4096 kB\n",
        **files,
    }
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@linux
def test_linux_without_a_limit(tmp_path: Path) -> None:
    read = read_host(machine(tmp_path))
    assert (read.total, read.available, read.peak) == (16 * MIB, 8 * MIB, 4 * MIB)
    assert read.resident == 500 * mmap.PAGESIZE


@linux
def test_a_cgroup_v2_limit_counts_less_the_cache_it_can_drop(tmp_path: Path) -> None:
    cgroup = "sys__fs__cgroup__box__"
    read = read_host(
        machine(
            tmp_path,
            proc__self__cgroup="0::/box/inner\n",
            **{
                cgroup + "memory.max": "4194304\n",
                cgroup + "memory.current": "3145728\n",
                cgroup + "memory.stat": "anon 100\ninactive_file 1048576\n",
                cgroup + "inner__memory.max": "max\n",
                cgroup + "inner__memory.current": "100\n",
            },
        )
    )
    assert (read.total, read.available) == (4 * MIB, 2 * MIB)


@linux
def test_a_cgroup_v1_limit_seen_from_inside_a_container(tmp_path: Path) -> None:
    memory = "sys__fs__cgroup__memory__memory."
    read = read_host(
        machine(
            tmp_path,
            proc__self__cgroup="5:cpu:/docker/abc\n4:memory:/docker/abc\n0::/\n",
            **{
                memory + "limit_in_bytes": "2097152\n",
                memory + "usage_in_bytes": "2097152\n",
                memory + "stat": "total_inactive_file 524288\n",
            },
        )
    )
    assert (read.total, read.available) == (2 * MIB, MIB // 2)


@linux
def test_no_limit_in_v1_is_a_huge_number(tmp_path: Path) -> None:
    memory = "sys__fs__cgroup__memory__memory."
    files = {memory + "limit_in_bytes": "9223372036854771712\n", memory + "usage_in_bytes": "1\n"}
    read = read_host(machine(tmp_path, proc__self__cgroup="4:memory:/\n", **files))
    assert (read.total, read.available) == (16 * MIB, 8 * MIB)


@linux
def test_an_old_or_bare_system_gives_what_it_has(tmp_path: Path) -> None:
    old = machine(tmp_path / "old", proc__meminfo="MemTotal: 4096 kB\nMemFree: 1024 kB\nCached: 1024 kB\n")
    assert read_host(old).available == 2 * MIB
    bare = read_host(tmp_path / "bare")
    assert (bare.total, bare.available, bare.resident, bare.peak) == (0, 0, 0, 0)


@linux
def test_the_processor_is_named_and_its_features_known(tmp_path: Path) -> None:
    root = machine(tmp_path, proc__cpuinfo="model name\t: Fake  CPU\x00\nflags\t: fpu avx2 avx512_vnni amx_bf16\n\n")
    assert cpu_name(root) == "Fake CPU"
    assert cpu_features(root) == ("avx2", "avx512-vnni", "amx-bf16")
    arm = machine(tmp_path / "arm", proc__cpuinfo="processor\t: 0\nFeatures\t: fp asimd i8mm bf16\n")
    assert cpu_features(arm) == ("neon", "i8mm", "bf16")
    assert cpu_name(arm)  # Falls back on what Python knows.


def test_this_machine() -> None:
    read = read_host()
    assert 0 < read.resident <= read.peak and 0 < read.available <= read.total
    assert cpu_name()


class Kernel32:
    def GetCurrentProcess(self) -> int:
        return 2**64 - 1

    def GlobalMemoryStatusEx(self, status: Any) -> int:
        assert status._obj.length == 64
        status._obj.total, status._obj.available = 16 * MIB, 5 * MIB
        return 1

    def K32GetProcessMemoryInfo(self, handle: Any, counters: Any, size: Any) -> int:
        assert handle.value == 2**64 - 1 and size.value == ctypes.sizeof(host_native.ProcessMemory)
        counters._obj.working_set, counters._obj.peak_working_set = 2 * MIB, 3 * MIB
        return 1


def test_windows_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host_native.read_windows(Kernel32()) == (16 * MIB, 5 * MIB, 2 * MIB, 3 * MIB)
    monkeypatch.setattr(Kernel32, "GlobalMemoryStatusEx", lambda self, status: 0)
    assert host_native.read_windows(Kernel32())[:2] == (0, 0)


class LibC:
    def sysctlbyname(self, name: bytes, into: Any, size: Any, new: Any, length: int) -> int:
        if name == b"hw.memsize":
            into._obj.value = 32 * MIB
        elif name == b"machdep.cpu.brand_string":
            into._obj.value = b"Apple M4"
        return 0

    def mach_host_self(self) -> int:
        return 7

    def host_statistics64(self, host: int, flavor: int, into: Any, count: Any) -> int:
        assert (host, flavor, count._obj.value) == (7, 4, 38)
        into._obj.free, into._obj.inactive = 3, 2
        return 0

    def task_info(self, task: Any, flavor: int, into: Any, count: Any) -> int:
        assert (task, flavor, count._obj.value) == (9, 20, 12)
        into._obj.resident, into._obj.peak_resident = MIB, 2 * MIB
        return 0


def test_macos_memory() -> None:
    assert host_native.read_macos(LibC(), task_port=9, page=16384) == (32 * MIB, 5 * 16384, MIB, 2 * MIB)
    assert host_native.macos_cpu_name(LibC()) == "Apple M4"


def com_object(methods: dict[int, Any], keep: list[Any]) -> int:
    """The address of an object whose table has those methods, as a C++ compiler lays it out."""
    table = (ctypes.c_void_p * 16)()
    for slot, method in methods.items():
        table[slot] = ctypes.cast(method, ctypes.c_void_p)
    this = ctypes.pointer(table)
    keep += [table, this, *methods.values()]
    return ctypes.addressof(this)


def method(function: Any, *types: Any) -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *types)(function)


class Dxgi:
    """One discrete card, one integrated GPU without the newer interface, and a software adapter."""

    def __init__(self) -> None:
        self.keep: list[Any] = []
        self.live = 0
        self.release = method(self._released)
        cards = [
            self._adapter("Radeon RX", dedicated=12 * MIB, shared=8 * MIB, budget=11 * MIB, usage=2 * MIB),
            self._adapter("Radeon 780M", dedicated=0, shared=6 * MIB),
            self._adapter("Basic Render Driver", dedicated=0, shared=6 * MIB, flags=2),
        ]

        def enum(this: int, number: int, into: int) -> int:
            if number >= len(cards):
                return -2005270526  # DXGI_ERROR_NOT_FOUND
            return self._give(cards[number], into)

        self.factory = com_object({2: self.release, 12: method(enum, ctypes.c_uint32, ctypes.c_void_p)}, self.keep)

    def CreateDXGIFactory1(self, iid: Any, into: Any) -> int:
        assert bytes(iid._obj).hex() == "78ae0a776ff2ba4da829253c83d1b387"
        return self._give(self.factory, ctypes.addressof(into._obj))

    def _give(self, what: int, into: int) -> int:
        ctypes.c_void_p.from_address(into).value = what
        self.live += 1
        return 0

    def _released(self, this: int) -> int:
        self.live -= 1
        return self.live

    def _adapter(self, name: str, dedicated: int, shared: int, flags: int = 0, budget: int = 0, usage: int = 0) -> int:
        def describe(this: int, into: int) -> int:
            desc = dxgi.AdapterDesc.from_address(into)
            for i, char in enumerate(name.encode("utf-16-le")[::2]):
                desc.description[i] = char
            desc.dedicated_video, desc.shared_system, desc.flags = dedicated, shared, flags
            desc.luid = 0xB1A2
            return 0

        def read(this: int, node: int, segment: int, into: int) -> int:
            memory = dxgi.VideoMemory.from_address(into)
            memory.budget, memory.usage = budget, usage
            return 0

        newer = com_object(
            {2: self.release, 14: method(read, ctypes.c_uint32, ctypes.c_int32, ctypes.c_void_p)}, self.keep
        )

        def query(this: int, iid: int, into: int) -> int:
            return self._give(newer, into) if budget else -2147467262  # E_NOINTERFACE

        return com_object(
            {
                0: method(query, ctypes.c_void_p, ctypes.c_void_p),
                2: self.release,
                10: method(describe, ctypes.c_void_p),
            },
            self.keep,
        )


def test_dxgi_adapters_are_read_and_let_go() -> None:
    library = Dxgi()
    assert dxgi.adapters(library) == [
        dxgi.Adapter("Radeon RX", 12 * MIB, 11 * MIB, 2 * MIB, 0xB1A2),
        dxgi.Adapter("Radeon 780M", 6 * MIB, 6 * MIB, 0, 0xB1A2, shared=True),
    ]
    assert library.live == 0
    assert dxgi.find("Radeon RX", 1, library) == dxgi.find("Radeon RX", 0, library)
    assert dxgi.find("GeForce", 0, library) is None


def test_a_description_is_as_long_as_windows_makes_it() -> None:
    assert ctypes.sizeof(dxgi.AdapterDesc) == 312
    assert ctypes.sizeof(host_native.MemoryStatus) == 64


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has DXGI")
def test_off_windows_there_is_no_adapter() -> None:
    assert dxgi.adapters() == []
