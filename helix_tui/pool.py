"""The KV pool as the events tell it: which request holds which block, and what the tokens in it say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from engine.events import Blocks, Cycle, Runs, Started


def numbers(runs: Runs) -> Iterable[int]:
    """The block numbers of (first, count) runs, in order."""
    for first, count in runs:
        yield from range(first, first + count)


@dataclass(slots=True)
class Owner:
    """One request that runs, or waits for the blocks it had to give back."""

    request: int
    seat: int
    """Which of the owners it is, for its colour and letter; a seat is taken again once it is left."""
    prompt_tokens: int
    blocks: Blocks
    in_flight: Runs = ()
    """`Cycle.in_flight` of its last round."""
    said: list[str] = field(default_factory=list)
    """The reply so far, token by token."""


class Holding(NamedTuple):
    """A block as one of its owners has it."""

    owner: Owner
    place: int
    """Logical block number: the block has the owner's tokens from `place * size` on."""


@dataclass(slots=True)
class Pool:
    """All of it. The single figures are those of the request whose event came last."""

    blocks: Blocks | None = None
    """As in the last event."""
    owners: dict[int, Owner] = field(default_factory=dict)
    """By request, oldest first."""
    prompt_tokens: int = 0
    reused_tokens: int = 0
    """Prompt tokens whose KV was already there (`Started.cached_tokens`)."""
    reused_blocks: int = 0
    """Leading blocks that came from the prefix index (`Blocks.shared`)."""
    tokens: int = 0
    """Tokens of the conversation whose KV was in the pool last."""

    def start(self, event: Started) -> None:
        taken = {owner.seat for request, owner in self.owners.items() if request != event.request}
        seat = next(n for n in range(len(taken) + 1) if n not in taken)
        self.owners[event.request] = Owner(event.request, seat, event.prompt_tokens, event.blocks)
        self.prompt_tokens = event.prompt_tokens
        self.reused_tokens = event.cached_tokens
        self.reused_blocks = event.blocks.shared
        self.tokens = event.prompt_tokens
        self.see(event.request, event.blocks)

    def cycle(self, event: Cycle) -> None:
        self.see(event.request, event.blocks)
        if (owner := self.owners.get(event.request)) is not None:
            owner.in_flight = event.in_flight
            owner.said += [token.text for token in event.emitted]

    def see(self, request: int, blocks: Blocks) -> None:
        self.blocks = blocks
        if blocks.length:
            self.tokens = blocks.length
        if (owner := self.owners.get(request)) is not None:
            owner.blocks, owner.in_flight = blocks, ()

    def preempt(self, request: int) -> None:
        """It gave its blocks back, and will have others."""
        if (owner := self.owners.get(request)) is not None:
            owner.blocks = replace(owner.blocks, table=(), length=0, shared=0)
            owner.in_flight = ()

    def drop(self, request: int | None, blocks: Blocks | None = None) -> None:
        """It runs no more; `blocks` is the pool after that, where the event tells it."""
        self.owners.pop(request or 0, None)
        self.blocks = blocks or self.blocks

    def holders(self) -> dict[int, list[Holding]]:
        """Who holds each block: as many as have a reference to it."""
        held: dict[int, list[Holding]] = {}
        for owner in self.owners.values():
            for place, number in enumerate(numbers(owner.blocks.table)):
                held.setdefault(number, []).append(Holding(owner, place))
        return held

    @property
    def several(self) -> bool:
        """Whether owners have to be told apart."""
        return any(owner.seat for owner in self.owners.values())

    @property
    def in_flight(self) -> dict[int, Owner]:
        """Blocks that the last rounds held for drafted tokens and gave back, and for whom."""
        return {number: owner for owner in self.owners.values() for number in numbers(owner.in_flight)}

    @property
    def used(self) -> int:
        """Blocks that some request holds."""
        return len(self.holders())

    @property
    def remembered(self) -> int:
        """Blocks that nobody holds but whose text is kept for reuse."""
        return sum(count for _, count in self.blocks.cached) if self.blocks else 0

    @property
    def utilisation(self) -> float | None:
        """How full the held blocks are: tokens in them over the tokens they have room for."""
        if self.blocks is None or not (held := self.holders()):
            return None
        size = self.blocks.size
        full = [max(min(size, h.owner.blocks.length - h.place * size) for h in by) for by in held.values()]
        return sum(full) / (len(full) * size)
