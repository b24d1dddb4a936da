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
TURNS = 6
"""At most, the first included, which may compile or allocate and does not count."""


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
    now = _time(target, (1, SPOT), draft, (1,), wait, context)
    pairs = [(now.verify[SPOT], timings.verify.get(SPOT))]
    if draft is not None:
        pairs.append((now.draft[1], timings.draft.get(1)))
    return all(then and 1 / SKEW < (s / now.verify[1]) / (then / timings.verify[1]) < SKEW for s, then in pairs)


def measure(target: PagedModel, draft: PagedModel | None, wait: Callable[[], None], context: int) -> Timings:
    """Time target forwards of 1 to 64 rows and draft forwards of 1 to 16; pools are left as they were.

    `context` is what both models can see at most.
    """
    return _time(target, ROWS, draft, DRAFT_ROWS, wait, context)


def _time(
    target: PagedModel, rows: Sequence[int], draft: PagedModel | None, steps: Sequence[int],
    wait: Callable[[], None], context: int,
) -> Timings:  # fmt: skip
    """The best of a few runs for each number of rows, each after what goes before it in a chat: plain decoding after
    plain decoding, a verification after a draft step, which finds another model's weights in the caches.

    In turns: what else the machine does for a moment then slows them all down, and not one row count.
    """
    tables = {model: _begun(model, max(rows), context) for model in (target, draft) if model}
    verify, drafting = dict.fromkeys(rows, float("inf")), dict.fromkeys(steps if draft else (), float("inf"))
    runs = [(verify, target, r, (draft, 1) if draft and r > 1 else (target, r)) for r in rows]
    runs += [(drafting, draft, r, (draft, r)) for r in drafting if draft]
    spent, turn = 0.0, 0
    while turn < 2 or (turn < TURNS and spent < BUDGET * len(runs)):
        for best, model, count, (other, before) in runs:
            spent += _once(other, tables[other], before, wait, context)
            seconds = _once(model, tables[model], count, wait, context)
            if turn:
                best[count] = min(best[count], seconds)
            spent += seconds
        turn += 1
    for table in tables.values():
        table.release()
    return Timings(verify, drafting)


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
