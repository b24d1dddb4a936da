"""Who may come in, and with how much: checked before anything is parsed. Plain ASGI, so that streams stay streams."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem
from .settings import ServerSettings, is_loopback

OPEN = ("/health", "/docs", "/openapi.json")
"""Need no key: they say nothing of anybody."""


class Guard:
    """Refuses by host, origin, key and size."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal: Problem | None = None
        started = False

        def refuse(problem: Problem) -> None:
            nonlocal refusal
            refusal = problem

        async def sending(message: Message) -> None:
            """What a framework makes of a body that was cut off is not what the client should hear."""
            nonlocal started
            if refusal is None:
                started = True
                await send(message)

        try:
            self._check(scope["path"], Headers(scope=scope))
            await self._app(scope, self._limited(receive, refuse), sending)
        except Problem as problem:
            refuse(problem)
        except ConnectionAbortedError:
            if refusal is None:
                raise
        if refusal is not None and not started:
            await refusal.response()(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        settings = self._settings
        origin = headers.get("origin")
        # A page of another site may make a browser call this machine, by rebinding its name or by a plain form.
        if settings.loopback:
            if not is_loopback(_name(headers.get("host", ""))):
                raise Problem(403, "This server answers only to its own name.", "permission_error", "host")
            if origin and origin not in settings.origins and not is_loopback(_name(origin.partition("://")[2])):
                raise Problem(403, "This server answers no other site's pages.", "permission_error", "origin")
        if settings.api_key is not None and path not in OPEN:
            given = headers.get("authorization", "").removeprefix("Bearer ").encode()
            if not secrets.compare_digest(given, settings.api_key.encode()):
                raise Problem(401, "The API key is missing or wrong.", "authentication_error", "invalid_api_key")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > settings.max_body:
            raise self._too_large()

    def _limited(self, receive: Receive, refuse: Callable[[Problem], None]) -> Receive:
        """Counts what comes without a length, and does not wait for ever for it."""
        size, whole = 0, False

        async def limited() -> Message:
            nonlocal size, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout(self._settings.body_seconds):
                    message = await receive()
            except TimeoutError:
                refuse(Problem(408, "The request took too long to arrive.", "invalid_request_error"))
                raise ConnectionAbortedError from None
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if size > self._settings.max_body:
                refuse(self._too_large())
                raise ConnectionAbortedError
            return message

        return limited

    def _too_large(self) -> Problem:
        limit = self._settings.max_body
        return Problem(413, f"The request is too large; send at most {limit} bytes.", "invalid_request_error")


def _name(host: str) -> str:
    """Without the port; an address in brackets keeps them."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
