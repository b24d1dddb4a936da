"""Measured speed-up at each depth beside what the formula of speculative decoding promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..forwards import Forwards
from ..lab import Lab
from ..report import Row, compare
from ..trace import Trace, acceptance, speed

PROMPTS = 4
WARM = 0.7
"""The temperature besides 0."""
Costs = dict[int, float]


def measure(lab: Lab) -> Iterator[Row]:
    settings = lab.settings
    depths = [d for d in settings.depths if not settings.quick or d in (1, 4)]
    prompts = lab.prompts(1 if settings.quick else PROMPTS)
    lab.learn(prompts)
    verify, draft = _costs(lab, depths)
    # A set acceptance knows only the greedy text.
    for temperature in (0.0,) if settings.alpha is not None else (0.0, WARM):
        yield from _at(lab, temperature, depths, prompts, verify, draft)


def _at(
    lab: Lab,
    temperature: float,
    depths: Sequence[int],
    prompts: Sequence[Sequence[int]],
    verify: Costs,
    draft: float,
) -> Iterator[Row]:
    engine = lab.subject()
    found: list[dict[str, list[Trace]]] = []
    for ids in prompts:
        arms = {str(d): partial(lab.ask, engine, ids, d, temperature=temperature) for d in (0, *depths)}
        found.append(lab.interleave(arms))
    rounds = range(lab.settings.rounds)
    replies = {d: [[prompt[str(d)][r] for prompt in found] for r in rounds] for d in (0, *depths)}
    baseline = [speed(traces) for traces in replies[0]]
    alpha = acceptance([t for d in depths for traces in replies[d] for t in traces])
    for d in depths:
        kept = acceptance(replies[d][0])
        yield compare(
            f"temperature {temperature:g}, depth {d}",
            "tokens/s",
            [speed(traces) for traces in replies[d]],
            baseline,
            "" if kept is None else f"acceptance {kept:.2f}",
            expected=None if alpha is None else expected(alpha, d, verify, draft),
            series=f"temperature {temperature:g}",
            x=float(d),
        )


def expected(alpha: float, depth: int, verify: Costs, draft: float) -> float:
    """Speed-up by Leviathan et al. 2023, theorem 3.8, with a verification that may cost more than a plain forward.

    `verify` is seconds of a target forward by rows, `draft` those of one drafted token.
    """
    tokens = depth + 1 if alpha == 1 else (1 - alpha ** (depth + 1)) / (1 - alpha)
    return tokens * verify[1] / (verify[depth + 1] + depth * draft)


def _costs(lab: Lab, depths: Sequence[int]) -> tuple[Costs, float]:
    """Seconds of a target forward by its rows, and of a drafted token; the fastest of some in turns."""
    past = lab.prompts(1)[0]
    target = Forwards(lab.pair.target, past, lab.wait)
    arms = {str(rows): partial(target.seconds, rows) for rows in (1, *(d + 1 for d in depths))}
    small = Forwards(lab.pair.draft, past, lab.wait) if lab.pair.draft else None
    if small:
        arms["draft"] = partial(small.seconds, 1)
    best = {name: min(seconds) for name, seconds in lab.interleave(arms).items()}
    target.close()
    if small:
        small.close()
    return {int(name): seconds for name, seconds in best.items() if name != "draft"}, best.get("draft", 0.0)
