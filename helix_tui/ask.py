"""`helix-chat ask`: one question, its reply on stdout as it comes, everything else on stderr and only on a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

import engine as helix
from engine import Event, HelixError, Recorder, Request
from engine.errors import from_name
from engine.events import Cycle, Failed, Finished, Loaded, Loading, Shortage, Usage

from .interrupt import interruptible
from .quiet import hush_libraries

_CONTROLS = {c: "\N{REPLACEMENT CHARACTER}" for c in (*range(32), *range(127, 160)) if chr(c) not in "\n\t"}
"""What a reply must not do to a terminal: move its cursor, change its title."""


def read_question() -> str:
    """All of stdin. Raises HelixError when there is none."""
    if sys.stdin is None:
        raise HelixError('There is no stdin to read; give the question: helix-chat ask "..."')
    if sys.stdin.isatty():
        print("Type the question, then end it with Ctrl-D (Windows: Ctrl-Z, Enter).", file=sys.stderr)
    return sys.stdin.buffer.read().decode("utf-8-sig", errors="replace")


def ask(request: Request, load: dict[str, Any], *, as_json: bool = False, events: Path | None = None) -> int:
    """Print the reply. Returns the exit code: 0, or 130 when Ctrl-C ended it. Raises HelixError."""
    if request.seed is None:
        # Drawn here so that the JSON names the seed that gives this reply again.
        request = replace(request, seed=secrets.randbelow(2**31))
    hush_libraries()
    # The app sends the hub's warnings to its log; here they would land between the words.
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    notes = Notes(sys.stderr)
    with contextlib.ExitStack() as stack:
        if not sys.warnoptions:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        recorder = stack.enter_context(Recorder(events)) if events is not None else None

        def watch(event: Event) -> None:
            notes.loading(event)
            if recorder is not None:
                recorder.write(event)

        try:
            engine = stack.enter_context(helix.Engine.load(**load, progress=watch))
        finally:
            notes.clear()
        reply = Reply(request, engine.loaded, None if as_json else sys.stdout)
        with interruptible() as interrupted:
            for event in engine.stream(request):
                if recorder is not None:
                    recorder.write(event)
                reply.take(event)
                notes.shortage(event)
                if interrupted.is_set() and reply.id is not None:
                    engine.cancel(reply.id)
        reply.finish()
        if as_json:
            print(json.dumps(reply.as_json(), ensure_ascii=False))
        elif reply.usage is not None:
            notes.speed(reply.usage)
    return 130 if interrupted.is_set() else 0


class Reply:
    """Gathers one request's events, and prints its text to `out` if there is one. Raises the error it failed with."""

    def __init__(self, request: Request, loaded: Loaded, out: TextIO | None) -> None:
        self.id: int | None = None
        self.usage: Usage | None = None
        self._request = request
        self._loaded = loaded
        self._out = out
        self._visible = out is not None and out.isatty()
        self._pieces: list[str] = []
        self._tokens: list[int] = []
        self._reason: str | None = None

    def take(self, event: Event) -> None:
        self.id = getattr(event, "request", self.id)
        if isinstance(event, Cycle):
            self._tokens += [token.id for token in event.emitted]
            self._write("".join(token.text for token in event.emitted))
        elif isinstance(event, Finished):
            self._reason, self.usage = event.reason, event.usage
            # What was held back as the possible start of a stop text comes only with the end.
            self._write(event.text[len("".join(self._pieces)) :])
        elif isinstance(event, Failed):
            if self._pieces:
                self.finish()
            raise from_name(event.error, event.message)

    def finish(self) -> None:
        """End the line."""
        if self._out is not None and not "".join(self._pieces[-1:]).endswith("\n"):
            print(file=self._out, flush=True)

    def as_json(self) -> dict[str, Any]:
        request, loaded = self._request, self._loaded
        system = [m["content"] for m in request.messages or () if m["role"] == "system"]
        return {
            "text": "".join(self._pieces),
            "token_ids": self._tokens,
            "finish_reason": self._reason,
            "usage": asdict(self.usage) if self.usage else None,
            "settings": {
                "target": loaded.target.name,
                "draft": loaded.draft.name if loaded.draft else None,
                "device": loaded.device,
                "dtype": loaded.target.dtype,
                **asdict(request.speculation),
                **asdict(request.sampling),
                "seed": request.seed,
                "max_tokens": request.max_tokens,
                "system": system[0] if system else None,
            },
        }

    def _write(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        if self._out is not None:
            self._out.write(text.translate(_CONTROLS) if self._visible else text)
            self._out.flush()


class Notes:
    """Progress and figures for a person: nothing unless `err` is a terminal."""

    def __init__(self, err: TextIO) -> None:
        self._err = err if err is not None and err.isatty() else None
        self._width = 0

    def loading(self, event: Event) -> None:
        if isinstance(event, Loading):
            share = f" {event.done / event.total:.0%}" if event.total else ""
            self._line(f"{event.stage}{share}")

    def shortage(self, event: Event) -> None:
        if isinstance(event, Shortage) and self._err is not None:
            print(f"[{event.message}]", file=self._err)

    def clear(self) -> None:
        self._line("")

    def speed(self, usage: Usage) -> None:
        if self._err is None:
            return
        parts = [f"{usage.completion_tokens} tokens"]
        if usage.decode_tokens_per_s is not None:
            parts.append(f"{usage.decode_tokens_per_s:.1f} tokens/s")
        if usage.drafted and usage.mean_accepted_length is not None:
            parts.append(f"{usage.mean_accepted_length:.2f} tokens a round")
        print(f"[{', '.join(parts)}]", file=self._err)

    def _line(self, text: str) -> None:
        """Write over the line before; spaces, for an old Windows console knows no escape codes."""
        if self._err is None or not (text or self._width):
            return
        text = text[:78]
        self._err.write("\r" + text.ljust(self._width) + ("" if text else "\r"))
        self._err.flush()
        self._width = len(text)
