"""Any server with OpenAI's API as a source: its text, and what it counts in /metrics; it tells of no single draft."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from engine import Event
from engine.events import Blocks, DeviceMemory, Finished, FinishReason, Loaded, ModelInfo, Piece, Started, Usage

from ..messages import Question
from .base import Asked, RemoteSource
from .counters import Counts, parse
from .http import Refused, Server, Unreachable

POLL = 0.5
"""Seconds between readings of /metrics while a reply runs."""
NOWHERE = Blocks((), 0, 0, (), 0, 0)
"""The KV blocks of a server that does not tell of them."""
REASONS: dict[str | None, FinishReason] = {"length": "length", "stop": "eos", None: "eos"}


class ConnectSource(RemoteSource):
    """`model` None takes the first that the server names."""

    def __init__(self, server: Server, model: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(server)
        self._model = model
        self._clock = clock
        self._numbers = count(1)
        self._counts = False

    def hello(self) -> Event:
        began = self._clock()
        try:
            found = self.server.get("/v1/models")
        except Refused:
            # Some list what they have and stumble; who names a model needs no list.
            if self._model is None:
                raise
            found = {}
        models = [m for m in (found.get("data") if isinstance(found, dict) else None) or () if isinstance(m, dict)]
        names = [str(m.get("id")) for m in models]
        if self._model is None:
            if not names:
                raise Unreachable(f"{self.server.name} names no models; name one by --target.")
            self._model = names[0]
        entry = models[names.index(self._model)] if self._model in names else {}
        self._counts = self._read().told
        return _loaded(self._model, entry, self.server.name, self._clock() - began)

    def answer(self, asked: Asked) -> None:
        number = next(self._numbers)
        asked.sink(Started(number, 0, 0, None, NOWHERE, asked.question.messages[-1]["content"]))
        reply = _Reply(number, self._clock)
        try:
            with (
                self._counting(asked, number),
                self.server.stream("/v1/chat/completions", body(asked.question, self._model)) as asked.exchange,
            ):
                if not asked.stopped.is_set():
                    for chunk in asked.exchange.pieces():
                        if (piece := reply.take(chunk)) is not None:
                            self.hand_on(asked, piece)
        except Unreachable:
            if not asked.stopped.is_set():
                raise
        asked.sink(reply.finished(stopped=asked.stopped.is_set()))

    @contextmanager
    def _counting(self, asked: Asked, number: int) -> Iterator[None]:
        """Read the counters while a reply runs, and once more at its end."""
        if not self._counts:
            yield
            return
        start, over = self._read(), threading.Event()

        def poll() -> None:
            while not over.wait(POLL):
                asked.sink(self._read().since(start, number))

        thread = threading.Thread(target=poll, name="helix-metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            asked.sink(self._read().since(start, number))

    def _read(self) -> Counts:
        """Nothing where there is no such page."""
        try:
            return parse(self.server.text("/metrics"))
        except (Unreachable, Refused):
            return Counts()


class _Reply:
    """Chunks of one reply, as they come."""

    def __init__(self, number: int, clock: Callable[[], float]) -> None:
        self._number = number
        self._clock = clock
        self._began = self._last = clock()
        self._first: float | None = None
        self._text: list[str] = []
        self._reason: str | None = None
        self._usage: dict[str, Any] = {}

    def take(self, chunk: Any) -> Piece | None:
        if not isinstance(chunk, dict):
            return None
        self._usage = chunk.get("usage") or self._usage
        choice: dict[str, Any] = next(iter(chunk.get("choices") or ()), {})
        self._reason = choice.get("finish_reason") or self._reason
        text = (choice.get("delta") or {}).get("content")
        if not isinstance(text, str) or not text:
            return None
        now = self._clock()
        seconds, self._last = now - self._last, now
        self._first = self._first or now
        self._text.append(text)
        return Piece(self._number, text, seconds)

    def finished(self, *, stopped: bool) -> Finished:
        """Tokens are the server's count, or as many as there were pieces."""
        said = int(self._usage.get("completion_tokens") or len(self._text))
        decode = self._last - self._first if self._first is not None else 0.0
        details = self._usage.get("prompt_tokens_details") or {}
        usage = Usage(
            prompt_tokens=int(self._usage.get("prompt_tokens") or 0),
            cached_tokens=int(details.get("cached_tokens") or 0),
            completion_tokens=said,
            cycles=0,
            drafted=0,
            accepted=0,
            acceptance_rate=None,
            mean_accepted_length=None,
            ttft_s=self._first - self._began if self._first is not None else None,
            decode_s=decode,
            decode_tokens_per_s=(said - 1) / decode if decode > 0 and said > 1 else None,
        )
        reason = "cancelled" if stopped else REASONS.get(self._reason, "eos")
        return Finished(self._number, reason, "".join(self._text), usage, NOWHERE)


def body(question: Question, model: str | None) -> dict[str, Any]:
    """A question as /v1/chat/completions takes it. Only what was changed of what not every server knows is sent."""
    sampling = question.sampling
    asked: dict[str, Any] = {
        "model": model,
        "messages": list(question.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    beyond = {
        "max_tokens": (question.max_tokens, None),
        "seed": (question.seed, None),
        "top_k": (sampling.top_k, 0),
        "min_p": (sampling.min_p, 0),
        "repetition_penalty": (sampling.repetition_penalty, 1),
    }
    return asked | {name: value for name, (value, usual) in beyond.items() if value != usual}


def _loaded(model: str, entry: dict[str, Any], server: str, seconds: float) -> Loaded:
    """What a server says of itself, with nothing where it says nothing."""
    limits = (entry.get("max_model_len"), (entry.get("meta") or {}).get("n_ctx_train"))
    context = next((limit for limit in limits if isinstance(limit, int)), 0)
    info = ModelInfo(model, "", 0, "", 0, 0, context, "")
    return Loaded(server, server, info, None, context, 0, 16, 0, 0, 0, seconds, DeviceMemory(0, 0, 0))
