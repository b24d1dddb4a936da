"""What a forward costs on this machine now: the depth controller's first figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from ..costs import ROWS, SKEW, Costs
from ..kv.blocks import BLOCK_SIZE, BlockTable
from .paged import PagedModel, Span
from .remembered import Timings, forget, identity, recall, remember

PAST = 40
"""Tokens of context while timing, which end within a block: costs grow little with it, and the controller follows."""
DRAFT_ROWS = (1, 4, 16)
"""One for each sequence that drafts."""
SPOT = 4
"""Rows whose forward is looked at again where timings are remembered."""
BUDGET = 0.06
"""Seconds that one row count may take in all turns."""
TURNS = 5
"""At most; one is made however long it takes."""


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
    forwards = [(target, 1), (target, SPOT), *([(draft, 1)] if draft else [])]
    one, few, *step = _seconds(forwards, wait, context)
    looks = [(few / one, timings.verify, SPOT), *((seconds / one, timings.draft, 1) for seconds in step)]
    return all(rows in then and 1 / SKEW < now * timings.verify[1] / then[rows] < SKEW for now, then, rows in looks)


def measure(target: PagedModel, draft: PagedModel | None, wait: Callable[[], None], context: int) -> Timings:
    """Time target forwards of 1 to 64 rows and draft forwards of 1 to 16; pools are left as they were.

    `context` is what both models can see at most.
    """
    verify = [(target, rows) for rows in ROWS]
    drafting = [(draft, rows) for rows in DRAFT_ROWS] if draft else []
    seconds = _seconds([*verify, *drafting], wait, context)
    return Timings(dict(zip(ROWS, seconds, strict=False)), dict(zip(DRAFT_ROWS, seconds[len(ROWS) :], strict=False)))


def _seconds(forwards: Sequence[tuple[PagedModel, int]], wait: Callable[[], None], context: int) -> list[float]:
    """The best of a few runs of each model and rows.

    In turns: what else the machine does for a moment then slows them all down, and not one row count.
    """
    best = [float("inf")] * len(forwards)
    tables = {model: _begun(model, max(r for m, r in forwards if m is model), context) for model, _ in forwards}
    spent, turn = 0.0, 0
    while turn < 1 or (turn < TURNS and spent < BUDGET * len(forwards)):
        for place, (model, rows) in enumerate(forwards):
            for run in range(2):  # The second finds what the first left in the caches, as a chat's forwards do.
                seconds = _once(model, tables[model], rows, wait, context)
                spent += seconds
                if run:
                    best[place] = min(best[place], seconds)
        turn += 1
    for table in tables.values():
        table.release()
    return best


def _once(model: PagedModel, table: BlockTable, rows: int, wait: Callable[[], None], context: int) -> float:
    past = table.length
    rows = min(rows, context - past, model.allocator.available * BLOCK_SIZE)
    start = time.perf_counter()
    model.forward([Span(table, torch.zeros(rows, dtype=torch.long), rows)])
    wait()
    seconds = time.perf_counter() - start
    table.rollback(past)
    return seconds


def _begun(model: PagedModel, rows: int, context: int) -> BlockTable:
    """A text that leaves room for `rows` more tokens, if there is that much."""
    table = model.table()
    past = min(PAST, (model.allocator.available - 1) * BLOCK_SIZE - rows, context - rows)
    if past > 0:
        model.forward([Span(table, torch.zeros(past, dtype=torch.long), 1)])
    return table
