"""What all programs hold on a GPU, through a faked pdh.dll."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from engine import dxgi, pdh
from engine.devices.directml import DirectMl

MIB = 2**20
LUID = 0x1_0000B1A2
DEDICATED = r"\GPU Adapter Memory(luid_0x00000001_0x0000B1A2_phys_0)\Dedicated Usage"
SHARED = r"\GPU Adapter Memory(luid_0x00000001_0x0000B1A2_phys_0)\Shared Usage"


class Pdh:
    """The five calls; `counters` are the values by path, a pair with a status of their own."""

    def __init__(self, counters: dict[str, int | tuple[int, int]], **codes: int) -> None:
        self.counters = counters
        self.codes = codes
        self.opened = 0
        self.paths: list[str] = []

    def PdhOpenQueryW(self, source: Any, data: Any, query: Any) -> int:
        self.opened += 1
        query._obj.value = 7
        return self.codes.get("open", 0)

    def PdhAddEnglishCounterW(self, query: Any, path: Any, data: Any, counter: Any) -> int:
        assert query.value == 7
        if path.value not in self.counters:
            return 0xC0000BB8 - 2**32  # PDH_CSTATUS_NO_OBJECT
        self.paths.append(path.value)
        counter._obj.value = len(self.paths)
        return 0

    def PdhCollectQueryData(self, query: Any) -> int:
        return self.codes.get("collect", 0)

    def PdhGetFormattedCounterValue(self, counter: Any, how: Any, kind: Any, value: Any) -> int:
        assert how.value == 0x400
        said = self.counters[self.paths[counter.value - 1]]
        value._obj.number, value._obj.status = said if isinstance(said, tuple) else (said, 0)
        return self.codes.get("value", 0)


@pytest.fixture(autouse=True)
def fresh() -> None:
    pdh._query.cache_clear()


def using(monkeypatch: pytest.MonkeyPatch, library: Pdh) -> Pdh:
    monkeypatch.setattr(pdh, "_pdh", lambda: library)
    return library


def test_it_is_laid_out_as_windows_has_it() -> None:
    assert (ctypes.sizeof(pdh.Value), pdh.Value.number.offset) == (16, 8)


def test_dedicated_memory_is_read_anew_from_one_query(monkeypatch: pytest.MonkeyPatch) -> None:
    library = using(monkeypatch, Pdh({DEDICATED: 300 * MIB, SHARED: 5 * MIB}))
    assert pdh.used(LUID, shared=False) == 300 * MIB
    library.counters[DEDICATED] = (400 * MIB, 1)
    assert pdh.used(LUID, shared=False) == 400 * MIB
    assert (library.opened, library.paths) == (1, [DEDICATED])


def test_an_integrated_gpu_counts_shared_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    using(monkeypatch, Pdh({DEDICATED: 30 * MIB, SHARED: 500 * MIB}))
    assert pdh.used(LUID, shared=True) == 530 * MIB


@pytest.mark.parametrize(
    "library",
    [
        Pdh({DEDICATED: 1}, open=1),
        Pdh({DEDICATED: 1}, collect=1),
        Pdh({DEDICATED: 1}, value=1),
        Pdh({DEDICATED: (1, 0xC0000BBA)}),
        Pdh({}),
    ],
)
def test_without_a_sound_counter_there_is_no_figure(monkeypatch: pytest.MonkeyPatch, library: Pdh) -> None:
    using(monkeypatch, library)
    assert pdh.used(LUID, shared=False) is None


@pytest.mark.parametrize(("used", "free"), [(None, 5000), (1000, 5000), (6000, 2000), (9000, 0)])
def test_free_memory_is_what_others_leave(monkeypatch: pytest.MonkeyPatch, used: int | None, free: int) -> None:
    adapter = dxgi.Adapter("Radeon", 8000, 7000, 2000, LUID)
    monkeypatch.setattr(dxgi, "find", lambda name, nth: adapter)
    monkeypatch.setattr(DirectMl, "names", lambda self: ["Radeon"])
    monkeypatch.setattr(pdh, "used", lambda luid, *, shared: used if luid == LUID and not shared else -1)
    assert DirectMl().memory(0, "Radeon") == (8000, free, 2000, 2000)
