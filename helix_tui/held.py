"""Seconds in which a reply was held in slow motion: they are the person's, not the model's."""

from __future__ import annotations

from dataclasses import replace

from engine import Event
from engine.events import Cycle, Finished, Usage


class Held:
    """Of one reply: they are counted while it runs, and taken out of the figures that it ends with."""

    def __init__(self) -> None:
        self._before = self._after = 0.0
        self._begun = False

    def add(self, seconds: float) -> None:
        if self._begun:
            self._after += seconds
        else:
            self._before += seconds

    def leave_out(self, event: Event) -> Event:
        """The event as it would have been without them; every event of the reply has to come by."""
        if isinstance(event, Cycle):
            self._begun = True
        elif isinstance(event, Finished) and self._before + self._after:
            return replace(event, usage=without(event.usage, self._before, self._after))
        return event


def without(usage: Usage, before: float, after: float) -> Usage:
    """`before` are seconds before the first token, `after` those after it."""
    first = None if usage.ttft_s is None else max(0.0, usage.ttft_s - before)
    decode = max(0.0, usage.decode_s - after)
    tokens = (usage.decode_tokens_per_s or 0.0) * usage.decode_s
    rate = tokens / decode if tokens and decode else None
    return replace(usage, ttft_s=first, decode_s=decode, decode_tokens_per_s=rate)
