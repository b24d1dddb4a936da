"""One server over HTTP, with nothing but the standard library: it must not cost the first picture."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from engine import InvalidRequest

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 600.0
"""A server may think so long before it says anything."""
MOST = 4_000_000
"""Bytes of an answer that is no stream, or of one line of one that is."""


class Unreachable(Exception):
    """There is no answer, or one that makes no sense; says so in a sentence."""


class Refused(Exception):
    """The server answered with an error of its own; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """`url` may have a path; `/v1` at its end is left off. Raises InvalidRequest for what is no address."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise InvalidRequest(f'"{url}" is no address of a server; write it like http://127.0.0.1:8000.')
        if parts.username or parts.password:
            raise InvalidRequest("An address must not hold a password; give the key by --api-key or HELIX_API_KEY.")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, port
        self._path = parts.path.rstrip("/").removesuffix("/v1")
        self._key = api_key
        self.name = parts.hostname + (f":{port}" if port else "")
        """For people: without the path, which may hold a secret."""

    def get(self, path: str) -> Any:
        """The JSON there. Raises Unreachable or Refused."""
        return _parsed(self.text(path))

    def text(self, path: str) -> str:
        """Raises Unreachable or Refused."""
        with Exchange(self, "GET", path, None, CONNECT_SECONDS) as answer:
            return answer.text()

    def post(self, path: str, body: Any) -> None:
        """Raises Unreachable or Refused."""
        with Exchange(self, "POST", path, body, CONNECT_SECONDS) as answer:
            answer.text()

    def stream(self, path: str, body: Any) -> Exchange:
        """A stream to be read and closed. Raises Unreachable or Refused."""
        return Exchange(self, "POST", path, body, SILENT_SECONDS)

    def open(self, method: str, path: str, body: Any, seconds: float) -> tuple[HTTPConnection, socket.socket]:
        """A request that was sent."""
        kind = HTTPSConnection if self._secure else HTTPConnection
        connection = kind(self._host, self._port, timeout=CONNECT_SECONDS)
        connection.connect()
        line = connection.sock
        line.settimeout(seconds)
        headers = {"Accept": "application/json, text/event-stream", "Connection": "close"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, self._path + path, None if body is None else json.dumps(body), headers)
        return connection, line


class Exchange:
    """One request and its answer; `close` may come from another thread and ends a read that waits."""

    def __init__(self, server: Server, method: str, path: str, body: Any, seconds: float) -> None:
        self._name = server.name
        self._connection: HTTPConnection | None = None
        try:
            self._connection, self._line = server.open(method, path, body, seconds)
        except (OSError, HTTPException) as error:
            raise Unreachable(f"{self._name} does not answer ({_why(error)}).") from error

    def _begin(self) -> HTTPResponse:
        """Wait for the head of the answer; a server that queues may take its time."""
        assert self._connection is not None
        try:
            answer = self._connection.getresponse()
            if answer.status >= 400:
                raise Refused(answer.status, _reason(answer.status, answer.read(MOST)))
            return answer
        except (OSError, HTTPException, AttributeError) as error:
            raise Unreachable(f"{self._name} does not answer ({_why(error)}).") from error

    def text(self) -> str:
        answer = self._begin()
        try:
            return answer.read(MOST).decode("utf-8", "replace")
        except (OSError, HTTPException) as error:
            raise Unreachable(f"{self._name} broke off ({_why(error)}).") from error

    def pieces(self) -> Iterator[Any]:
        """The JSON of each server-sent event, to `[DONE]`. Raises Unreachable where it breaks off, or Refused."""
        answer = self._begin()
        try:
            while line := answer.readline(MOST):
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                piece = _parsed(data.decode("utf-8", "replace"))
                if isinstance(piece, dict) and piece.get("error"):
                    raise Refused(500, _message(piece) or "The server failed.")
                yield piece
        except (OSError, HTTPException, ValueError, AttributeError) as error:
            raise Unreachable(f"{self._name} broke off ({_why(error)}).") from error

    def close(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
            self._connection.close()

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Unreachable("The server's answer is no JSON; is this the address of its API?") from None


def _reason(status: int, body: bytes) -> str:
    try:
        return _message(json.loads(body)) or f"The server answered {status}."
    except ValueError:
        return f"The server answered {status}."


def _message(body: Any) -> str | None:
    """Of an error object in OpenAI's shape, or in FastAPI's."""
    error = body.get("error", body.get("detail", body)) if isinstance(body, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return said[:300] if isinstance(said, str) else None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
