"""Every way to draft against baseline, by kind of prompt; and the worst kind for `auto`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from ...config import Depth, DrafterName
from ..lab import Lab
from ..prompts import PROMPTS
from ..report import Row, compare
from ..trace import Trace, acceptance, speed

EACH = 3
"""Prompts of a kind."""


def measure(lab: Lab) -> Iterator[Row]:
    tokenizer = lab.pair.tokenizer
    if tokenizer is None:
        yield Row("not measured", note="Random weights have no tokenizer, so there are no kinds of prompt.")
        return
    # One engine a way: what a controller learnt from one drafter must not guide another.
    ways: dict[str, tuple[DrafterName, Depth]] = {"depth 4": ("model", 4), "auto": ("auto", "auto")}
    ways |= {"chain, auto": ("chain", "auto"), "chain, depth 8": ("chain", 8)}
    ways |= {"ngram, auto": ("ngram", "auto"), "ngram, depth 8": ("ngram", 8)}
    if lab.pair.draft is None:
        ways = {name: way for name, way in ways.items() if way[0] in ("auto", "ngram")}
    worst: list[Row] = []
    for kind, texts in PROMPTS.items():
        chats = [[{"role": "user", "content": text}] for text in texts[: 1 if lab.settings.quick else EACH]]
        found = [_turns(lab, tokenizer.render(chat), ways) for chat in chats]
        rounds = range(lab.settings.rounds)
        baseline = [[prompt["baseline"][r] for prompt in found] for r in rounds]
        for way in ways:
            replies = [[prompt[way][r] for prompt in found] for r in rounds]
            row = compare(
                f"{kind}: {way}", "tokens/s", _speeds(replies), _speeds(baseline), _note(replies[0], baseline[0])
            )
            yield row
            if way == "auto":
                worst.append(row)
    if worst:
        row = min(worst, key=lambda row: row.ratio.median if row.ratio else 0.0)
        yield replace(row, name=f"auto at its worst ({row.name.partition(':')[0]})", note="")


def _turns(lab: Lab, ids: list[int], ways: dict[str, tuple[DrafterName, Depth]]) -> dict[str, list[Trace]]:
    arms = {"baseline": partial(lab.ask, lab.engine("model", endless=False), ids, 0)}
    for way, (drafter, depth) in ways.items():
        arms[way] = partial(lab.ask, lab.engine(drafter, endless=False), ids, depth)
    return lab.interleave(arms)


def _speeds(rounds: list[list[Trace]]) -> list[float]:
    return [speed(replies) for replies in rounds]


def _note(replies: list[Trace], baseline: list[Trace]) -> str:
    same = all(a.ids == b.ids for a, b in zip(replies, baseline, strict=True))
    kept = acceptance(replies)
    said = "nothing drafted" if kept is None else f"acceptance {kept:.2f}"
    return said if same else f"{said}; THE TEXT DIFFERS"
