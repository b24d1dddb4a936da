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

CHAT = [{"role": "user", "content": "What is the capital of France?"}]
ASK = {"messages": CHAT, "max_tokens": 24}
LONG = {**ASK, "temperature": 50, "max_tokens": 400, "baseline": True}
"""So hot that it does not end by itself."""


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
    # As engine.server.run has it: who is being answered gets the whole grace, however busy the machine is.
    patience = int(chosen.grace) + 5
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=patience)
    server = Server(config, app.state.desk)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", engine, app.state.desk, server)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
