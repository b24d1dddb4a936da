"""The engine as the chat's worker sees it, and how it is brought."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from engine import Event, Request

from .messages import Depth


class EngineLike(Protocol):
    """The part of `engine.Engine` that a chat needs."""

    @property
    def loaded(self) -> Event: ...
    @property
    def busy(self) -> bool: ...
    def submit(self, request: Request) -> int: ...
    def step(self) -> list[Event]: ...
    def cancel(self, request: int, /) -> None: ...
    def set_depth(self, depth: Depth, request: int | None = None, /) -> None: ...
    def close(self) -> None: ...


Loader = Callable[..., EngineLike]


def load_engine(**options: Any) -> EngineLike:
    """`Engine.load`, imported only here: it brings torch."""
    from engine import Engine

    return Engine.load(**options)
