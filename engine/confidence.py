"""How often a drafted token is kept, by the probability that the draft itself gave it."""

from __future__ import annotations

BINS = 10
MEMORY = 0.998
"""Weight of the past: about the last 500 tokens of a bin count."""
PRIOR = 2.0
"""As many tokens of experience is the guess worth that a draft means what it says."""


class Confidence:
    """Learns from every drafted token that was judged; before that it takes the draft at its word."""

    def __init__(self) -> None:
        self._tried = [PRIOR] * BINS
        self._kept = [PRIOR * (place + 0.5) / BINS for place in range(BINS)]

    def kept(self, chance: float) -> float:
        """The share of tokens of that probability that are kept."""
        place = self._bin(chance)
        return self._kept[place] / self._tried[place]

    def observe(self, chance: float, kept: bool) -> None:
        place = self._bin(chance)
        self._tried[place] = self._tried[place] * MEMORY + 1
        self._kept[place] = self._kept[place] * MEMORY + kept

    @staticmethod
    def _bin(chance: float) -> int:
        return min(BINS - 1, max(0, int(chance * BINS)))
