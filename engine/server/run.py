"""Runs the app under uvicorn until a signal, and lets requests finish or fail before it goes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from ..engine import Engine
from ..errors import HelixError
from .app import create_app
from .desk import Desk
from .settings import ServerSettings


def serve(engine: Engine, settings: ServerSettings | None = None, ready: Callable[[str], None] = print) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is given the URL once connections are taken; the engine is not closed.

    Raises HelixError when the address is not free.
    """
    settings = settings or ServerSettings()
    app = create_app(engine, settings)
    listener = listen(settings)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    ready(f"http://{shown}:{port}")
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # It would write what is asked for, and by whom.
        server_header=False,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=int(settings.grace) + 5,
        limit_concurrency=4 * settings.max_queue + 16,
        ws="none",
    )
    with listener:
        Server(config, app.state.desk).run([listener])


class Server(uvicorn.Server):
    """Tells the desk of a signal: uvicorn itself would cut long streams off without a word."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._desk.stop)
        # uvicorn's own would raise the signal again at the end, before the engine is closed.
        self.force_exit = self.should_exit
        self.should_exit = True


def listen(settings: ServerSettings) -> socket.socket:
    """A bound socket. Raises HelixError when the address is not free or not this machine's."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no name that an address can have"
        raise HelixError(
            f"{settings.host}:{settings.port} cannot be used ({reason}); choose another --host or --port."
        ) from None
