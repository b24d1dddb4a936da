"""How many threads a small forward is worth: a team that waits for each other costs more than a tiny product."""

from __future__ import annotations

import torch

SMALL = 2**18
"""Elements of the largest float32 matrix in a layer, or of the logits of a cycle, up to which one thread is as fast as
two. A draft 128 wide took 0.57 ms with one and 0.61 with two at best, 1.5 and 9.9 where others kept both cores busy."""
ROWS = 32
"""Rows up to which that holds; a prompt is worth all threads."""


class limited:
    """Run with at most so many of torch's threads; None leaves them. Entered in every step, so no generator."""

    __slots__ = ("_before", "_threads")

    def __init__(self, threads: int | None) -> None:
        self._threads = threads

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        if self._threads is not None and self._before > self._threads:
            torch.set_num_threads(self._threads)

    def __exit__(self, *error: object) -> None:
        if self._threads is not None and self._before > self._threads:
            torch.set_num_threads(self._before)
