"""Drafts without a model: what followed the last time the text said the same few tokens.

Prompt lookup (Saxena 2023; Yang et al. 2023, "Inference with Reference"): strong where a reply repeats its prompt, as
in rewriting, summarising and editing code. A step costs microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence as Items

LONGEST = 8
SHORTEST = 2


class NgramIndex:
    """Where each run of 2 to 8 tokens was last followed by something, in one growing text."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._follow: list[dict[tuple[int, ...], int]] = [{} for _ in range(LONGEST + 1)]

    def extend(self, tokens: Items[int]) -> None:
        """Take in the text so far: `tokens` begins with what was given before."""
        for token in tokens[len(self._tokens) :]:
            end = len(self._tokens)
            # The run that ends here is entered now, when what follows it is known: a text never matches its own end.
            for n in range(SHORTEST, min(LONGEST, end) + 1):
                self._follow[n][tuple(self._tokens[end - n :])] = end
            self._tokens.append(token)

    def match(self, shortest: int = SHORTEST) -> tuple[int, int]:
        """(length, place): the longest run that ends the text and was seen before, and what followed its last time."""
        end = len(self._tokens)
        for n in range(min(LONGEST, end), shortest - 1, -1):
            place = self._follow[n].get(tuple(self._tokens[end - n :]))
            if place is not None:
                return n, place
        return 0, 0

    def propose(self, depth: int, shortest: int = SHORTEST) -> list[int]:
        """Up to `depth` tokens, none without a match of `shortest` tokens. A match near the end repeats itself."""
        length, place = self.match(shortest)
        if not length:
            return []
        period = len(self._tokens) - place
        return [self._tokens[place + i % period] for i in range(depth)]
