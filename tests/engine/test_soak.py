"""Request after request, and nothing is left of them: no tensor, no object, no memory.

The KV pool is written once before anything is measured: it is reserved at load, but the system counts a page as held
only when it is first written. That was the growth that a rush over HTTP had shown: 24 MB, of a pool of 28.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection

import pytest
import tiny
import torch
from serving import Served, serving
from waiting import until

from engine import Engine, Request, Sampling, Speculation
from engine.host import read_host

CLIENTS = 8


@pytest.fixture(scope="module")
def engine(models: tiny.Models) -> Iterator[Engine]:
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu") as engine:
        for model in (engine._pair.target, engine._pair.draft):
            assert model is not None
            for slab in (*model.store.keys, *model.store.values):
                slab.zero_()
        yield engine


def ask(number: int) -> Request:
    heat = Sampling() if number % 2 else Sampling(temperature=1.0, repetition_penalty=1.1)
    depth = Speculation((0, 4, "auto")[number % 3])  # type: ignore[arg-type]
    return Request(prompt_ids=tiny.prompt(5 + number % 40, number), max_tokens=6, sampling=heat, speculation=depth)


def directly(engine: Engine, first: int, count: int) -> None:
    """In batches; every seventh is left in the middle."""
    for start in range(first, first + count, 8):
        engine.generate_batch([ask(number) for number in range(start, start + 8)])
        if start % 7 == 0:
            events = engine.stream(ask(start))
            next(events)
            events.close()


def over_http(served: Served, first: int, count: int) -> None:
    """From several clients; some hang up, some send nonsense. Returns when the server is done with all of them."""
    port = int(served.url.rpartition(":")[2])
    jobs, lock = iter(range(first, first + count)), threading.Lock()

    def client() -> None:
        while True:
            with lock:
                number = next(jobs, None)
            if number is None:
                return
            body = {"prompt_ids": list(ask(number).prompt_ids or ()), "max_tokens": "x" if number % 10 == 9 else 6}
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", "/generate/stream", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            _ = answer.readline() if number % 3 == 0 else answer.read()
            connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Who has hung up is still answered until the server hears of it, with the tensors of a step.
    until(lambda: served.desk._inside == 0 and not served.engine.busy)
    with served.engine._loop.lock:
        pass


def alive() -> tuple[int, int]:
    """Tensors, and all objects that the collector knows."""
    gc.collect()
    objects = gc.get_objects()
    return sum(issubclass(type(o), torch.Tensor) for o in objects), len(objects)


def check_flat(work: Callable[[int, int], None], count: int) -> None:
    """Of three rounds after the first at least one leaves fewer new objects than every second request would: one more
    thread in some pool is made once, what is kept of each request comes with all of them."""
    work(0, count)
    tensors, objects = alive()
    grown = []
    for number in range(1, 4):
        work(number * count, count)
        again, before = alive(), objects
        objects = again[1]
        grown.append(objects - before)
        assert again[0] == tensors
    assert min(grown) < count / 2, grown


def test_nothing_is_left_of_requests(engine: Engine) -> None:
    check_flat(lambda first, count: directly(engine, first, count), 80)
    assert tiny.held(engine) == 0 and not engine._loop.live and not engine._unclaimed


def test_nothing_is_left_of_requests_over_http(engine: Engine) -> None:
    with serving(engine) as served:
        check_flat(lambda first, count: over_http(served, first, count), 80)


def resident() -> int:
    """Without what the allocator keeps for later."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return read_host().resident


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is glibc's")
@pytest.mark.parametrize("way", ["directly", "over HTTP"])
def test_memory_is_flat_over_two_thousand_requests(engine: Engine, way: str) -> None:
    if way == "directly":
        directly(engine, 0, 400)
        before = resident()
        directly(engine, 400, 2000)
    else:
        with serving(engine) as served:
            over_http(served, 0, 400)
            before = resident()
            over_http(served, 400, 2000)
    assert resident() < before * 1.02
    assert tiny.held(engine) == 0
