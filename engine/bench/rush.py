"""A rush over HTTP: some clients read, some hang up, some send nonsense; nobody's reply is lost or another's."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from queue import Empty, SimpleQueue

import uvicorn

from ..devices import read_memory
from ..engine import Engine
from ..request import Request
from ..server import ServerSettings, create_app
from ..server.run import Server, listen
from .lab import Lab
from .report import Row, Spread

CLIENTS, REQUESTS = 32, 500
QUICK = 40
TOKENS = 12
PATIENCE = 60.0


def rush(lab: Lab) -> Row:
    """Greedy replies over a real socket, held against those of the engine alone."""
    engine = lab.engine(lab.drafts, endless=False)
    prompts = lab.prompts(8)
    wanted = [engine.generate(Request(prompt_ids=ids, max_tokens=TOKENS)).token_ids for ids in prompts]
    count = QUICK if lab.settings.quick else REQUESTS
    jobs: SimpleQueue[int] = SimpleQueue()
    for number in range(count):
        jobs.put(number)
    ends: Counter[str] = Counter()
    before = read_memory(lab.pair.device).process
    with _serving(engine) as port:
        threads = [threading.Thread(target=_client, args=(port, jobs, prompts, wanted, ends)) for _ in range(CLIENTS)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
        give_up = time.monotonic() + PATIENCE
        while engine.busy and time.monotonic() < give_up:
            time.sleep(0.01)
    pools = [model.allocator for model in (lab.pair.target, lab.pair.draft) if model is not None]
    held = sum(pool.total - pool.available for pool in pools)
    grown = (read_memory(lab.pair.device).process - before) / 2**20
    note = (
        f"lost or wrong of {count} from {CLIENTS} clients in {seconds:.1f} s: {ends['read']} read, "
        f"{ends['left']} hung up, {ends['refused']} malformed and refused; "
        f"blocks held after it: {held}; memory {grown:+.0f} MB"
    )
    bad = count - ends["read"] - ends["left"] - ends["refused"]
    return Row("requests over HTTP", "", Spread.of([bad]), runs=1, note=note)


def _client(
    port: int,
    jobs: SimpleQueue[int],
    prompts: Sequence[Sequence[int]],
    wanted: Sequence[Sequence[int]],
    ends: Counter[str],
) -> None:
    while True:
        try:
            number = jobs.get_nowait()
        except Empty:
            return
        which = number % len(prompts)
        ends[_ask(port, number, prompts[which], wanted[which])] += 1


def _ask(port: int, number: int, prompt: Sequence[int], wanted: Sequence[int]) -> str:
    """How one request ended: read, left, refused, or what went wrong."""
    body = {"prompt_ids": list(prompt), "max_tokens": "many" if number % 10 == 9 else TOKENS}
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", "/generate/stream", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if number % 10 == 9:
            return "refused" if answer.status == 400 else "wrong"
        if answer.status != 200:
            return f"status {answer.status}"
        if number % 3 == 0:
            answer.readline()
            return "left"
        pieces = [line[5:].strip() for line in answer if line.startswith(b"data:")]
        if not pieces or pieces[-1] != b"[DONE]":
            return "lost"
        ids = [token["id"] for piece in pieces[:-1] for token in json.loads(piece).get("tokens", ())]
        return "read" if ids == list(wanted) else "wrong"
    except OSError:
        return "lost"
    finally:
        connection.close()


@contextmanager
def _serving(engine: Engine) -> Iterator[int]:
    """A server in a thread; gives its port."""
    settings = ServerSettings(port=0, max_queue=2 * CLIENTS)
    app = create_app(engine, settings)
    listener = listen(settings)
    server = Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"), app.state.desk)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
