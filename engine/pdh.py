"""How much of a GPU's memory all programs hold together on Windows, from the counters that its task manager shows.

DXGI tells only of this process. Nothing here raises: where there is no counter there is no figure.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any

_LARGE = 0x400
"""PDH_FMT_LARGE: as a whole number of 64 bits."""
_SOUND = (0, 1)
"""PDH_CSTATUS_VALID_DATA and PDH_CSTATUS_NEW_DATA."""


class Value(ctypes.Structure):
    """PDH_FMT_COUNTERVALUE, with the member of its union that _LARGE fills."""

    _fields_ = [("status", ctypes.c_uint32), ("number", ctypes.c_int64)]


class Query:
    """Counters that are read together and added up."""

    def __init__(self, library: Any, paths: Sequence[str]) -> None:
        self._library = library
        self._lock = Lock()
        self._query = ctypes.c_void_p()
        self._counters: list[ctypes.c_void_p] = []
        if library.PdhOpenQueryW(None, ctypes.c_size_t(0), ctypes.byref(self._query)) != 0:
            return
        for path in paths:
            counter = ctypes.c_void_p()
            # The English names: localised ones differ from machine to machine.
            added = library.PdhAddEnglishCounterW(
                self._query, ctypes.c_wchar_p(path), ctypes.c_size_t(0), ctypes.byref(counter)
            )
            if added != 0:
                self._counters = []
                return
            self._counters.append(counter)

    def read(self) -> int | None:
        """The sum now, None where one of them has no sound value."""
        with self._lock:
            if not self._counters or self._library.PdhCollectQueryData(self._query) != 0:
                return None
            numbers = [self._number(counter) for counter in self._counters]
        return None if None in numbers else sum(n for n in numbers if n is not None)

    def _number(self, counter: ctypes.c_void_p) -> int | None:
        value = Value()
        failed = self._library.PdhGetFormattedCounterValue(counter, ctypes.c_uint32(_LARGE), None, ctypes.byref(value))
        return None if failed or value.status not in _SOUND else int(value.number)


def used(luid: int, *, shared: bool) -> int | None:
    """Bytes that all programs hold on the adapter, None when unknown.

    `shared` counts those of the machine's memory too, for a GPU that has little of its own.
    """
    library = _pdh()
    return None if library is None else _query(library, luid, shared).read()


@cache
def _query(library: Any, luid: int, shared: bool) -> Query:
    instance = f"luid_0x{luid >> 32:08X}_0x{luid & 0xFFFFFFFF:08X}_phys_0"
    kinds = ("Dedicated Usage", "Shared Usage") if shared else ("Dedicated Usage",)
    return Query(library, [rf"\GPU Adapter Memory({instance})\{kind}" for kind in kinds])


@cache
def _pdh() -> Any:
    if sys.platform != "win32":
        return None
    try:
        return ctypes.CDLL("pdh")
    except OSError:
        return None
