"""What the app and a source say to each other, besides the engine's own events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engine import Event, Offer, Request, Sampling, Speculation

Depth = int | Literal["auto"]
"""Tokens to draft in a round, or "auto": the engine chooses."""
Chat = tuple[dict[str, str], ...]


def clean(text: str) -> str:
    """The text without halves of surrogate pairs, which bytes that are no UTF-8 become: `?` stands for each."""
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class Question:
    """One turn to answer: the whole chat so far, ending in the person's message."""

    messages: Chat
    depth: Depth = 4
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int | None = None
    seed: int | None = None

    def request(self) -> Request:
        """As the engine takes it. Raises InvalidRequest."""
        return Request(
            messages=[{name: clean(text) for name, text in message.items()} for message in self.messages],
            sampling=self.sampling,
            speculation=Speculation(depth=self.depth),
            max_tokens=self.max_tokens,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something failed outside a request's own events.

    `load`: there is no engine, and `Source.start` tries again; `lost`: the same after it had worked. `ask`: the
    question was refused. `run`: the engine broke in the middle of a reply, and is usable again.
    """

    where: Literal["load", "lost", "ask", "run"]
    error: str
    message: str
    expected: bool = True
    """Whether it is one of the engine's own errors, whose message says what to do."""
    offer: Offer | None = None
    """A smaller way to load, which one key takes."""


@dataclass(frozen=True, slots=True)
class Rewound:
    """A replay jumped: what was shown is void, and these events, from the first one on, happened until there."""

    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayEnded:
    """A replay showed its last event."""


Note = Event | Trouble | Rewound | ReplayEnded
