"""What to measure and how often, checked when it is made."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from ..config import MAX_DEPTH, _number
from ..errors import InvalidRequest
from .catalogue import SECTIONS

SHAPES = ("tiny", "tinyllama")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`shape` builds a pair of random weights in place of `target` and `draft`; then `alpha` sets the acceptance."""

    sections: tuple[str, ...] = ()
    """Names from SECTIONS; none means all."""
    runs: int = 5
    tokens: int = 64
    """New tokens of each reply."""
    target: str = "bundled"
    draft: str | None = "auto"
    device: str = "auto"
    dtype: str | None = None
    shape: str | None = None
    alpha: float | None = None
    """Probability that a drafted token is the target's own next one; None drafts honestly."""
    depths: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 12, 16)
    quick: bool = False
    """A smoke run: fewer rounds, prompts, depths and tokens."""

    def __post_init__(self) -> None:
        for name in self.sections:
            if name not in SECTIONS:
                near = difflib.get_close_matches(name, SECTIONS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SECTIONS)}."
                raise InvalidRequest(f'There is no section "{name}"; {hint}')
        _number("runs", self.runs, 1, whole=True)
        _number("tokens", self.tokens, 2, whole=True)
        if self.shape is not None and self.shape not in SHAPES:
            raise InvalidRequest(f'There is no shape "{self.shape}"; use {" or ".join(SHAPES)}.')
        if self.alpha is not None:
            _number("alpha", self.alpha, 0, 1)
            if self.shape is None:
                raise InvalidRequest("alpha sets the acceptance of random weights; give a shape with it.")
        for depth in self.depths:
            _number("depth", depth, 1, MAX_DEPTH, whole=True)
        if self.shape is not None and (self.target != "bundled" or self.draft != "auto"):
            raise InvalidRequest("A shape builds its own models; give either a shape, or a target and a draft.")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The sections in the catalogue's order, each once."""
        return tuple(name for name in SECTIONS if not self.sections or name in self.sections)

    @property
    def rounds(self) -> int:
        return min(self.runs, 2) if self.quick else self.runs

    @property
    def reply(self) -> int:
        """New tokens of each reply."""
        return min(self.tokens, 16) if self.quick else self.tokens
