"""What a forward costs on this machine now: the depth controller's first figures."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from ..costs import ROWS, SKEW, Costs
from .paged import PagedModel, Span
from .remembered import Timings, forget, identity, recall, remember

PAST = 32
"""Tokens of context while timing: costs grow little with it, and the controller follows."""
DRAFT_ROWS = (1, 4, 16)
"""One for each sequence that drafts."""
SPOT = 4
"""Rows whose forward is looked at again where timings are remembered."""
BUDGET = 0.06
"""Seconds that one row count may take, once it ran at least twice."""


class Timed:
    """The costs of a pair, measured now or `remembered` from an earlier start."""

    def __init__(
        self, target: PagedModel, draft: PagedModel | None, wait: Callable[[], None], context: int, device: str
    ) -> None:
        """`context` is what both models can see at most; `device` names the machine's."""
        self._key = identity(target, draft, device, context)
        timings = recall(self._key)
        self.remembered = timings is not None and still_true(timings, target, draft, wait, context)
        if timings is None or not self.remembered:
            timings = measure(target, draft, wait, context)
            remember(self._key, timings)
        self.costs = Costs(timings.verify, timings.draft or 0.0)

    def close(self) -> None:
        """Forget what the cycles since have shown to be wrong."""
        if self.costs.drifted:
            forget(self._key)


def still_true(
    timings: Timings, target: PagedModel, draft: PagedModel | None, wait: Callable[[], None], context: int
) -> bool:
    """Whether a look at three forwards agrees on what rows and drafts cost beside a forward of one row.

    What was timed while other programs held the machine would else mislead every start until it is too old.
    """
    if 1 not in timings.verify:
        return False
    one, few = (_forward_seconds(target, rows, wait, context) for rows in (1, SPOT))
    looks = [(few / one, timings.verify, SPOT)]
    if draft is not None:
        looks.append((_forward_seconds(draft, 1, wait, context) / one, timings.draft, 1))
    return all(rows in then and 1 / SKEW < now * timings.verify[1] / then[rows] < SKEW for now, then, rows in looks)


def measure(target: PagedModel, draft: PagedModel | None, wait: Callable[[], None], context: int) -> Timings:
    """Time target forwards of 1 to 64 rows and draft forwards of 1 to 16; pools are left as they were.

    `context` is what both models can see at most.
    """
    verify = {rows: _forward_seconds(target, rows, wait, context) for rows in ROWS}
    return Timings(verify, {r: _forward_seconds(draft, r, wait, context) for r in DRAFT_ROWS} if draft else {})


def _forward_seconds(model: PagedModel, rows: int, wait: Callable[[], None], context: int) -> float:
    """The best of a few runs, the first (which may compile or allocate) not counted."""
    rows = min(rows, context, model.allocator.available * 16)
    table = model.table()
    past = min(PAST, (model.allocator.available - 1) * 16 - rows, context - rows)
    if past > 0:
        model.forward([Span(table, torch.zeros(past, dtype=torch.long), 1)])
    length, best, spent, run = table.length, float("inf"), 0.0, 0
    while run < 2 or (spent < BUDGET and run < 6):
        start = time.perf_counter()
        model.forward([Span(table, torch.zeros(rows, dtype=torch.long), rows)])
        wait()
        seconds = time.perf_counter() - start
        table.rollback(length)
        if run:
            best = min(best, seconds)
        spent += seconds
        run += 1
    table.release()
    return best
