"""The line mode's loop: a line in, a reply out, over the same engine and the same store as the app."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO

from engine import Engine, Event, HelixError, InvalidRequest, Recorder, Speculation
from engine.events import Cycle, Emitted, Failed, Finished, FinishReason, Usage

from ..conversation import Conversation
from ..interrupt import interruptible
from ..messages import Depth
from ..store import Store
from . import words

FIXED = 4
"""The depth that baseline goes back to where none was set before."""


class PlainChat:
    """One chat in lines. `run` ends with the input or `/quit`."""

    def __init__(
        self, engine: Engine, conversation: Conversation, store: Store, *, recorder: Recorder | None = None,
        lines: TextIO | None = None, out: TextIO | None = None,
    ) -> None:  # fmt: skip
        """`conversation` says how to ask; one with turns in it goes on."""
        self._engine = engine
        self._conversation = conversation
        self._store = store
        self._depth_before: Depth = self._depth or FIXED
        self._recorder = recorder
        self._in = lines or sys.stdin
        self._out = out or sys.stdout
        self._typed = self._in.isatty()
        self._commands: dict[str, Callable[[str], None]] = {
            "help": self._help, "depth": self._set_depth, "baseline": self._baseline, "new": self._new,
            "system": self._set_system, "stop": self._stop, "stats": self._stats,
        }  # fmt: skip
        self.failed = False

    def run(self) -> int:
        """Returns the exit code: 0, 1 when a question that was piped in failed, 130 when Ctrl-C ended it."""
        interrupted = False
        for earlier in words.earlier(self._conversation):
            self._say(earlier)
        while True:
            self._tell_news()
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
        reply, ended = self._conversation.ask(text), None
        reply.model = self._engine.loaded.target.name
        self._store.save(self._conversation, self._conversation.messages[reply.parent or ""], reply)
        speech = words.Words()
        try:
            self._say("Helix: ", end="")
            request = replace(self._conversation.settings, messages=self._conversation.chat).request()
            with interruptible() as pressed:
                for event in self._engine.stream(request):
                    self._record(event)
                    if isinstance(event, Cycle):
                        self._grow(event.emitted)
                        piece = "".join(token.text for token in event.emitted)
                    elif isinstance(event, Finished):
                        # What was held back as the possible start of a stop text comes only with the end.
                        piece, ended = event.text[len(reply.text) :], event
                        self._conclude(event.reason, event.usage, event.text)
                    elif isinstance(event, Failed):
                        raise HelixError(event.message)
                    else:
                        continue
                    self._say(speech.feed(piece), end="")
                    if pressed.is_set() and ended is None:
                        self._engine.cancel(event.request)
        except HelixError as error:
            self._conclude("error")
            self._say(speech.end())
            self._say(f"Error: {error}")
            self.failed = True
        finally:
            # Whatever ended it, such as a second Ctrl+C: what has come is kept.
            self._conclude("cancelled")
        if ended is not None:
            self._say(speech.end())
            self._say(words.reply(ended.reason, ended.usage))

    def _grow(self, tokens: tuple[Emitted, ...]) -> None:
        if (reply := self._conversation.open) is not None:
            self._conversation.extend(tokens)
            self._store.append(reply, tokens)

    def _conclude(self, reason: FinishReason, usage: Usage | None = None, text: str | None = None) -> None:
        """Close the running reply and keep it whole; without one, nothing happens."""
        if (reply := self._conversation.close(reason, usage, text)) is not None:
            self._store.save(self._conversation, reply)

    def _tell_news(self) -> None:
        """Whether something is wrong with the history: to stderr, for it is no part of the chat."""
        for sentence in self._store.news():
            print(sentence, file=sys.stderr, flush=True)

    def _record(self, event: Event) -> None:
        if self._recorder is not None:
            self._recorder.write(event)

    @property
    def _depth(self) -> Depth:
        return self._conversation.settings.depth

    @_depth.setter
    def _depth(self, depth: Depth) -> None:
        self._conversation.settings = replace(self._conversation.settings, depth=depth)

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
        self._begin(self._conversation.system)
        self._say("A new chat.")

    def _set_system(self, rest: str) -> None:
        self._begin(rest or None)
        self._say("A new chat with that system prompt." if rest else "A new chat without a system prompt.")

    def _begin(self, system: str | None) -> None:
        self._conversation = Conversation(system, self._conversation.settings)

    def _stop(self, rest: str) -> None:
        self._say("Nothing is running. While a reply comes, Ctrl+C stops it and keeps what is there.")

    def _stats(self, rest: str) -> None:
        usages = [message.usage for message in self._conversation.path if message.usage is not None]
        for line in words.chat(usages, self._engine.loaded, self._depth):
            self._say(line)

    def _say(self, text: str, end: str = "\n") -> None:
        self._out.write(text + end)
        self._out.flush()
