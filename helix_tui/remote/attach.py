"""A running Helix server as a source: its engine's own events feed the panels."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from typing import Any

from engine import Event
from engine.events import Blocks, Cycle, Failed, Finished, Started, Usage, from_json

from ..messages import Depth, Question
from .base import Asked, RemoteSource
from .http import Refused, Server, Unreachable


class AttachSource(RemoteSource):
    """Depth and stop reach the request while it runs, by a handle that only this client knows."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._handles: dict[Asked, str] = {}

    def hello(self) -> Event:
        try:
            return from_json(self.server.get("/loaded"))
        except (ValueError, AttributeError):
            raise Unreachable(f"{self.server.name} is no Helix server; for others use --connect.") from None
        except Refused as error:
            if error.status == 404:
                raise Unreachable(f"{self.server.name} is no Helix server; for others use --connect.") from None
            raise

    def answer(self, asked: Asked) -> None:
        handle = secrets.token_urlsafe(24)
        started: Started | None = None
        text, last = "", None
        try:
            with self.server.stream("/generate/stream", body(asked.question, handle)) as asked.exchange:
                for piece in asked.exchange.pieces():
                    event = from_json(piece)
                    if isinstance(event, Started):
                        started = event
                        self._handles[asked] = handle
                        self._catch_up(asked)
                    elif isinstance(event, Cycle):
                        text, last = text + "".join(t.text for t in event.emitted), event
                    self.hand_on(asked, event)
                    if isinstance(event, (Finished, Failed)):
                        return
            raise Unreachable(f"{self.server.name} ended in the middle of the reply.")
        except ValueError:
            raise Unreachable(f"{self.server.name} says things that this version does not know.") from None
        except Unreachable:
            if not asked.stopped.is_set():
                raise
            # Cut off by ourselves: nobody else says how it ended.
            asked.sink(ended(started, last, text))
        finally:
            self._handles.pop(asked, None)

    def end(self, asked: Asked) -> None:
        """At the next round; a request that still waits has nothing to keep, so its connection ends."""
        if not self._steer(asked, cancel=True):
            asked.cut()

    def set_depth(self, depth: Depth) -> None:
        for asked in list(self._asked):
            asked.depth = depth
            if asked in self._handles:
                self._spawn(self._tell_depth, asked)

    def _tell_depth(self, asked: Asked) -> None:
        self._steer(asked, depth=asked.depth)

    def _catch_up(self, asked: Asked) -> None:
        """What was pressed between asking and the start."""
        if asked.depth != asked.question.depth:
            self._tell_depth(asked)
        if asked.stopped.is_set():
            self._steer(asked, cancel=True)

    def _steer(self, asked: Asked, **change: Any) -> bool:
        handle = self._handles.get(asked)
        if handle is None:
            return False
        with suppress(Unreachable, Refused):
            self.server.post("/generate/steer", {"handle": handle, **change})
            return True
        return False


def body(question: Question, handle: str) -> dict[str, Any]:
    """A question as /generate/stream takes it."""
    sampling = question.sampling
    settings = {name: getattr(sampling, name) for name in sampling.__dataclass_fields__}
    return {
        "messages": list(question.messages),
        "depth": question.depth,
        "max_tokens": question.max_tokens,
        "seed": question.seed,
        "events": True,
        "handle": handle,
        **settings,
    }


def ended(started: Started | None, last: Cycle | None, text: str) -> Finished:
    """The end of a reply whose connection was cut; what only the server had counted is not known."""
    known = last or started
    prompt, cached = (started.prompt_tokens, started.cached_tokens) if started else (0, 0)
    usage = Usage(prompt, cached, 0, 0, 0, 0, None, None, None, 0.0, None)
    blocks = replace(known.blocks, table=()) if known else Blocks((), 0, 0, (), 0, 0)
    return Finished(known.request if known else 0, "cancelled", text, usage, blocks)
