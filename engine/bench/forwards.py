"""Single target and draft forwards by their rows, for what speculation costs before anybody speculates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from ..models.paged import PagedModel, Span

REPEATS = 3
"""Forwards in one run; the fastest counts, since whatever disturbs a forward only ever slows it."""


class Forwards:
    """A text of `past` tokens whose end is computed again and again."""

    def __init__(self, model: PagedModel, past: Sequence[int], wait: Callable[[], None]) -> None:
        self._model = model
        self._wait = wait
        self._table = model.table()
        self._ids = torch.tensor(list(past), dtype=torch.long, device=model.device)
        model.forward([Span(self._table, self._ids, 1)])

    def seconds(self, rows: int) -> float:
        """One forward of `rows` new tokens, all of whose logits are wanted."""
        best = float("inf")
        length = self._table.length
        new = self._ids.repeat(-(-rows // len(self._ids)))[:rows]
        for _ in range(REPEATS):
            start = time.perf_counter()
            self._model.forward([Span(self._table, new, rows)])
            self._wait()
            best = min(best, time.perf_counter() - start)
            self._table.rollback(length)
        return best

    def close(self) -> None:
        self._table.release()
