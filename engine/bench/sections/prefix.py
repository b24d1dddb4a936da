"""What the prefix index saves when a chat goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..lab import Lab
from ..report import Row, compare
from ..trace import Trace

DEPTH = 4
HISTORY = 1500
QUESTION = 24


def measure(lab: Lab) -> Iterator[Row]:
    longest = min(HISTORY, lab.pair.context - QUESTION - 16)
    for length in (longest,) if lab.settings.quick else (longest // 4, longest):
        history = lab.text(length)
        questions = _questions(lab)
        found = lab.interleave(
            {
                "computed": partial(_first, lab, history, questions, remember=False),
                "reused": partial(_first, lab, history, questions, remember=True),
            }
        )
        reused = found["reused"][0].cached
        yield compare(
            f"first token after {length:,} tokens of history",
            "ms",
            [t.first * 1e3 for t in found["reused"]],
            [t.first * 1e3 for t in found["computed"]],
            f"{reused:,} of {length + QUESTION:,} prompt tokens reused",
        )


def _first(lab: Lab, history: Sequence[int], questions: Iterator[list[int]], *, remember: bool) -> Trace:
    """The second turn; the first one has left the history in the pools, unless it is to be computed again."""
    engine = lab.engine(lab.drafts)
    lab.forget()
    if remember:
        lab.follow(engine, history, DEPTH, 2)
    return lab.follow(engine, [*history, *next(questions)], DEPTH, 2)


def _questions(lab: Lab) -> Iterator[list[int]]:
    """Never the same twice: a question that was asked before would be remembered as well."""
    seed = 0
    while True:
        seed += 1
        yield lab.random(QUESTION, seed)
