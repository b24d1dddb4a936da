"""The one thread that owns DirectML: work submitted to it by two at once deadlocks in the driver."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from typing import TypeVar

from .backend import Backend
from .directml import DirectMl

NAME = "helix-directml"
T = TypeVar("T")


def on_its_thread(backend: Backend, call: Callable[[], T]) -> T:
    """Run `call` on the thread that owns the device: here, for all but DirectML. Raises what it raises."""
    if not isinstance(backend, DirectMl) or threading.current_thread().name.startswith(NAME):
        return call()
    running = _worker().submit(copy_context().run, call)
    try:
        return running.result()
    except BaseException:
        wait([running])  # An interrupt reaches only who waits: the caller must not go on beside the work.
        raise


@cache
def _worker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=NAME)
