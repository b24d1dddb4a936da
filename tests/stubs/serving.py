"""A server on a real socket, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from engine import Engine
from engine.server import ServerSettings, create_app
from engine.server.desk import Desk
from engine.server.run import Server, listen


@dataclass(frozen=True)
class Served:
    url: str
    engine: Engine
    desk: Desk
    server: Server


@contextmanager
def serving(engine: Engine, **settings: Any) -> Iterator[Served]:
    chosen = ServerSettings(**{"port": 0, **settings})
    app = create_app(engine, chosen)
    listener = listen(chosen)
    server = Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=5), app.state.desk)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", engine, app.state.desk, server)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
