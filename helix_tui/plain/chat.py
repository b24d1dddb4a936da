"""The line mode's loop: a line in, a reply out, over the same engine as the app."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO

from engine import Engine, Event, HelixError, InvalidRequest, Recorder, Request, Speculation
from engine.events import Cycle, Failed, Finished, Usage

from ..interrupt import interruptible
from ..messages import Depth
from . import words

FIXED = 4
"""The depth that baseline goes back to where none was set before."""


class PlainChat:
    """One chat in lines. `run` ends with the input or `/quit`."""

    def __init__(
        self, engine: Engine, request: Request, system: str | None, *, recorder: Recorder | None = None,
        lines: TextIO | None = None, out: TextIO | None = None,
    ) -> None:  # fmt: skip
        """`request` says how to ask; its own messages are a stand-in."""
        self._engine = engine
        self._request = request
        self._depth: Depth = request.speculation.depth
        self._depth_before: Depth = self._depth or FIXED
        self._system = system
        self._recorder = recorder
        self._in = lines or sys.stdin
        self._out = out or sys.stdout
        self._typed = self._in.isatty()
        self._turns: list[dict[str, str]] = []
        self._usages: list[Usage] = []
        self._commands: dict[str, Callable[[str], None]] = {
            "help": self._help, "depth": self._set_depth, "baseline": self._baseline, "new": self._new,
            "system": self._set_system, "stop": self._stop, "stats": self._stats,
        }  # fmt: skip
        self.failed = False

    def run(self) -> int:
        """Returns the exit code: 0, 1 when a question that was piped in failed, 130 when Ctrl-C ended it."""
        interrupted = False
        while True:
            try:
                line = self._read()
            except KeyboardInterrupt:
                if interrupted or not self._typed:
                    return 130
                interrupted = True
                self._say("\nNothing is running. /quit leaves, and so does Ctrl+C again.")
                continue
            interrupted = False
            if line is None or line.strip() == "/quit":
                return 1 if self.failed and not self._typed else 0
            self._obey(line)

    def _read(self) -> str | None:
        """One message, without its line end; None at the end of the input."""
        self._say("You: ", end="")
        text = ""
        while line := self._in.readline():
            text += line.rstrip("\r\n")
            if not text.endswith("\\"):
                break
            text = text[:-1] + "\n"
        if not line and not text:
            self._say("")
            return None
        if not self._typed:
            self._say(text)
        return text

    def _obey(self, line: str) -> None:
        text = line.strip()
        if not text:
            return
        if not text.startswith("/") or text.startswith("//"):
            self._ask(text.removeprefix("/") if text.startswith("//") else text)
            return
        name, _, rest = text[1:].partition(" ")
        command = self._commands.get(name.lower())
        if command is None:
            self._say(f"There is no command /{name}. /help lists those there are.")
            return
        command(rest.strip())

    def _ask(self, text: str) -> None:
        head = [{"role": "system", "content": self._system}] if self._system else []
        messages = [*head, *self._turns, {"role": "user", "content": text}]
        request = replace(self._request, messages=messages, speculation=Speculation(depth=self._depth))
        said, ended = "", None
        speech = words.Words()
        try:
            self._say("Helix: ", end="")
            with interruptible() as pressed:
                for event in self._engine.stream(request):
                    self._record(event)
                    if isinstance(event, Cycle):
                        piece = "".join(token.text for token in event.emitted)
                    elif isinstance(event, Finished):
                        # What was held back as the possible start of a stop text comes only with the end.
                        piece, ended = event.text[len(said) :], event
                    elif isinstance(event, Failed):
                        raise HelixError(event.message)
                    else:
                        continue
                    said += piece
                    self._say(speech.feed(piece), end="")
                    if pressed.is_set() and ended is None:
                        self._engine.cancel(event.request)
        except HelixError as error:
            self._say(speech.end())
            self._say(f"Error: {error}")
            self.failed = True
        if ended is None:
            return
        self._say(speech.end())
        self._say(words.reply(ended.reason, ended.usage))
        self._usages.append(ended.usage)
        if ended.text.strip():
            self._turns += [messages[-1], {"role": "assistant", "content": ended.text}]

    def _record(self, event: Event) -> None:
        if self._recorder is not None:
            self._recorder.write(event)

    # Commands

    def _help(self, rest: str) -> None:
        for line in words.HELP:
            self._say(line)

    def _set_depth(self, rest: str) -> None:
        try:
            depth: Depth = "auto" if rest.lower() == "auto" else int(rest)
            Speculation(depth=depth)
        except ValueError:
            self._say("Write /depth and a number from 0 to 16, or /depth auto.")
        except InvalidRequest as error:
            self._say(str(error))
        else:
            self._depth = depth
            self._depth_before = depth or self._depth_before
            self._say(f"Depth: {depth}." if depth else "Depth: 0, which is baseline.")

    def _baseline(self, rest: str) -> None:
        self._depth = 0 if self._depth else self._depth_before
        self._say(f"Baseline is off, depth: {self._depth}." if self._depth else "Baseline: speculation is off.")

    def _new(self, rest: str) -> None:
        self._turns.clear()
        self._usages.clear()
        self._say("A new chat.")

    def _set_system(self, rest: str) -> None:
        self._system = rest or None
        self._turns.clear()
        self._usages.clear()
        self._say("A new chat with that system prompt." if rest else "A new chat without a system prompt.")

    def _stop(self, rest: str) -> None:
        self._say("Nothing is running. While a reply comes, Ctrl+C stops it and keeps what is there.")

    def _stats(self, rest: str) -> None:
        for line in words.chat(self._usages, self._engine.loaded, self._depth):
            self._say(line)

    def _say(self, text: str, end: str = "\n") -> None:
        self._out.write(text + end)
        self._out.flush()
