"""How many threads a small forward is worth: a team that waits for each other costs more than a tiny product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SMALL = 2**18
"""Elements of the largest float32 matrix in a layer, or of the logits of a cycle, up to which one thread is as fast as
two. A draft 128 wide took 0.57 ms with one and 0.61 with two at best, 1.5 and 9.9 where others kept both cores busy."""
ROWS = 32
"""Rows up to which that holds; a prompt is worth all threads."""


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """Run with so many threads of torch's, of this thread of ours."""
    before = torch.get_num_threads()
    if threads is None or before <= threads:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
