"""What both kinds of server have in common: a thread for each question, and a way to stop them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from engine import Event, HelixError
from engine.events import Cycle, Piece

from ..bridge import Sink
from ..gate import Gate
from ..messages import Depth, Question, Trouble
from .http import Exchange, Refused, Server, Unreachable


class Asked:
    """One question on its way."""

    def __init__(self, question: Question, sink: Sink) -> None:
        self.question = question
        self.sink = sink
        self.stopped = threading.Event()
        self.exchange: Exchange | None = None
        self.depth: Depth = question.depth

    def cut(self) -> None:
        """End the connection: the server notices."""
        self.stopped.set()
        if self.exchange is not None:
            self.exchange.close()


class RemoteSource:
    """Subclasses say how to greet the server and how to ask it."""

    replay_of: str | None = None

    def __init__(self, server: Server) -> None:
        self.server = server
        self._sink: Sink = lambda note: False
        self._threads: set[threading.Thread] = set()
        self._asked: list[Asked] = []
        self._gate = Gate()

    @property
    def alive(self) -> bool:
        return any(thread.is_alive() for thread in list(self._threads))

    def start(self, sink: Sink) -> None:
        self._sink = sink
        self._spawn(self._greet)

    def ask(self, question: Question) -> None:
        self.run([question], self._sink)

    def run(self, questions: Sequence[Question], sink: Sink) -> None:
        for question in questions:
            asked = Asked(question, sink)
            self._asked.append(asked)
            self._spawn(self._follow, asked)

    @property
    def held(self) -> bool:
        return self._gate.held

    def hold(self) -> None:
        """The server goes on until it finds that nobody reads, and waits then."""
        self._gate.hold()

    def step_once(self) -> None:
        self._gate.step_once()

    def go_on(self) -> None:
        self._gate.go_on()

    def hand_on(self, asked: Asked, event: Event) -> None:
        """Give an event to who asked; those of the chat pass the gate round by round."""
        rounds = asked.sink is self._sink and isinstance(event, (Cycle, Piece))
        if rounds:
            self._gate.wait(asked.stopped.is_set)
        asked.sink(event)
        if rounds:
            self._gate.passed()

    def stop(self) -> None:
        for asked in list(self._asked):
            asked.stopped.set()
            self._gate.look()
            self._spawn(self.end, asked)

    def set_depth(self, depth: Depth) -> None:
        """Servers of others have no such thing."""

    def close(self) -> None:
        for asked in list(self._asked):
            asked.cut()
        self._gate.look()

    def hello(self) -> Event:
        """What the server runs. Raises Unreachable or Refused."""
        raise NotImplementedError

    def answer(self, asked: Asked) -> None:
        """Ask, and give every event to `asked.sink`, an end to all of them included. Raises Unreachable or Refused."""
        raise NotImplementedError

    def end(self, asked: Asked) -> None:
        """Stop one, keeping what is there."""
        asked.cut()

    def _spawn(self, work: object, *arguments: Asked) -> None:
        def run() -> None:
            try:
                work(*arguments)  # type: ignore[operator]
            finally:
                self._threads.discard(threading.current_thread())

        # A daemon: leaving must not wait for a server that thinks.
        thread = threading.Thread(target=run, name="helix-remote", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _greet(self) -> None:
        try:
            self._sink(self.hello())
        except (Unreachable, Refused, HelixError) as error:
            self._sink(Trouble("load", "Server", str(error)))

    def _follow(self, asked: Asked) -> None:
        try:
            self.answer(asked)
        except Refused as error:
            asked.sink(Trouble("ask", "Server", str(error)))
        except (Unreachable, HelixError) as error:
            asked.sink(Trouble("run", "Server", str(error)))
        finally:
            self._asked.remove(asked)
            self._gate.rest()
