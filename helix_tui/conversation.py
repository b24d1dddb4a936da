"""A chat as a tree. Edits, other replies and rewinds are branches of it; nothing that was said is ever lost."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from engine.events import Emitted, FinishReason, Usage

from .journal import Journal
from .messages import Chat, Question

TITLE = 60
"""Characters of a title that is made from a question."""


def new_id() -> str:
    """Nobody has to be asked for it, so two processes can add to one store."""
    return secrets.token_hex(8)


@dataclass(slots=True)
class Message:
    role: Literal["user", "assistant"]
    parent: str | None
    """The message before it; None for a first question."""
    text: str = ""
    tokens: list[Emitted] = field(default_factory=list)
    """Of a reply. Together they are `text`, or a start of it: a cancel may show what was held back until then."""
    reason: FinishReason | None = None
    """How a reply ended; None while it runs, and for good when a crash cut it off."""
    usage: Usage | None = None
    settings: Question | None = None
    """What a reply was asked for with; its `messages` are empty."""
    model: str | None = None
    created: float = field(default_factory=time.time)
    id: str = field(default_factory=new_id)
    journal: Journal = field(default_factory=Journal, repr=False, compare=False)
    """A reply's rounds, for as long as this session lasts."""

    @property
    def counts(self) -> bool:
        """Whether a reply is part of what the engine is told: not one that is empty or that an error ended."""
        return bool(self.text.strip()) and self.reason != "error"

    @property
    def runs(self) -> list[tuple[str, str]]:
        """The text in (text, kind) pieces to show: a reply's by origin."""
        if self.role == "user":
            return [(self.text, "question")]
        runs: list[tuple[str, str]] = [(token.text, token.origin) for token in self.tokens]
        tail = self.text[sum(len(text) for text, _ in runs) :]
        return [*runs, (tail, "plain")] if tail else runs


class Conversation:
    """Messages by their parents, and the `leaf` that the chat goes on from.

    A turn is opened by `ask` or `regenerate`, grows by `extend` and is closed by `close`; `open` is its reply. An empty
    or broken reply stays where it was said, but neither it nor its question is part of `chat`.
    """

    def __init__(
        self,
        system: str | None = None,
        settings: Question | None = None,
        *,
        id: str | None = None,
        title: str = "",
        created: float | None = None,
    ) -> None:
        self.id = id or new_id()
        self.title = title
        self.system = system
        self.settings = settings or Question(())
        self.created = time.time() if created is None else created
        self.messages: dict[str, Message] = {}
        self.leaf: str | None = None
        self.open: Message | None = None
        self._children: dict[str | None, list[str]] = {}
        self._chosen: dict[str | None, str] = {}
        """Which child was last looked at: where a branch goes on when it is come back to."""

    def __len__(self) -> int:
        """Messages on the branch that is looked at."""
        return len(self.path)

    @property
    def path(self) -> list[Message]:
        """The branch that is looked at, from the first question to the leaf."""
        return self._to(self.leaf)

    @property
    def chat(self) -> Chat:
        """The branch as the engine is told it: the system prompt, the turns that count, the question that is open."""
        told = [{"role": "system", "content": self.system}] if self.system else []
        question = ""
        for message in self.path:
            if message.role == "user":
                question = message.text
            elif message is self.open:
                told.append({"role": "user", "content": question})
            elif message.counts:
                told += [{"role": "user", "content": question}, {"role": "assistant", "content": message.text}]
        return tuple(told)

    # Turns

    def ask(self, text: str) -> Message:
        """Add a question at the leaf; returns its open reply."""
        self._closed()
        question = Message("user", self.leaf, text)
        self.title = self.title or title_of(text)
        self.add(question)
        return self._reply(question)

    def regenerate(self, message: Message) -> Message:
        """Open another reply to the message's question (or to the message, if it is one)."""
        self._closed()
        return self._reply(message if message.role == "user" else self.messages[message.parent or ""])

    def extend(self, tokens: Iterable[Emitted]) -> None:
        """Add to the open reply; without one, nothing happens."""
        if self.open is not None:
            new = list(tokens)
            self.open.tokens += new
            self.open.text += "".join(token.text for token in new)

    def close(self, reason: FinishReason, usage: Usage | None = None, text: str | None = None) -> Message | None:
        """End the open reply, whose whole text may be given; returns it."""
        reply, self.open = self.open, None
        if reply is not None:
            reply.reason, reply.usage = reason, usage
            if text is not None and text.startswith(reply.text):
                reply.text = text
        return reply

    def add(self, message: Message) -> None:
        """Put a message into the tree. One whose parent is not there becomes a first one."""
        if message.parent not in self.messages:
            message.parent = None
        self.messages[message.id] = message
        self._children.setdefault(message.parent, []).append(message.id)

    # Branches

    def siblings(self, message: Message) -> list[Message]:
        """The message and its alternatives, oldest first."""
        return [self.messages[id] for id in self._children.get(message.parent, [message.id])]

    def look(self, leaf: str | None) -> None:
        """Go on from there."""
        self.leaf = leaf
        for message in self.path:
            self._chosen[message.parent] = message.id

    def go(self, message: Message) -> None:
        """Look at the branch through the message, as far down as it was last followed."""
        self.look(self._tip(message.id))

    def walk(self, message: Message, by: int) -> Message | None:
        """Look at the sibling so many further; None where there is none."""
        row = self.siblings(message)
        to = row.index(message) + by
        if not 0 <= to < len(row):
            return None
        self.go(row[to])
        return row[to]

    def rewind(self, message: Message) -> None:
        """Go on after a reply, or before a question. What came later stays in its branch."""
        self.look(message.parent if message.role == "user" else message.id)

    @property
    def ahead(self) -> int:
        """Messages that follow the leaf in the branch that was last looked at."""
        return len(self._to(self._tip(self.leaf))) - len(self.path)

    def forward(self) -> None:
        """To the end of the branch that was last looked at: undoes a rewind."""
        self.look(self._tip(self.leaf))

    def fork(self, message: Message) -> Conversation:
        """A new conversation that begins with this path: up to a reply, or to what is before a question."""
        path = self._to(message.parent if message.role == "user" else message.id)
        copy = Conversation(self.system, self.settings, title=f"{self.title} · fork" if self.title else "")
        for original in path:
            copy.leaf = (twin := replace(original, id=new_id(), parent=copy.leaf, tokens=list(original.tokens))).id
            copy.add(twin)
        copy.look(copy.leaf)
        return copy

    def _reply(self, question: Message) -> Message:
        self.open = Message("assistant", question.id, settings=self.settings)
        self.add(self.open)
        self.look(self.open.id)
        return self.open

    def _closed(self) -> None:
        if self.open is not None:
            raise RuntimeError("the last reply is still open")

    def _to(self, leaf: str | None) -> list[Message]:
        path = []
        while leaf is not None:
            path.append(self.messages[leaf])
            leaf = path[-1].parent
        return path[::-1]

    def _tip(self, id: str | None) -> str | None:
        while children := self._children.get(id):
            chosen = self._chosen.get(id)
            id = chosen if chosen in children else children[-1]
        return id


def title_of(text: str) -> str:
    """The first line with words in it, cut between words."""
    line = next((" ".join(line.split()) for line in text.splitlines() if line.strip()), "")
    if len(line) <= TITLE:
        return line
    cut = line[:TITLE].rsplit(" ", 1)[0] if " " in line[:TITLE] else line[:TITLE]
    return cut.rstrip(" ,;:.") + "…"
