"""Where a cycle's time goes: draft, verification, and everything that is neither."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median

from ..lab import Lab
from ..report import Row, alone
from ..trace import Trace

DEPTH = 4


def measure(lab: Lab) -> Iterator[Row]:
    engine = lab.subject()
    ids = lab.prompts(1)[0]
    lab.learn([ids])
    found = lab.interleave({str(d): partial(lab.ask, engine, ids, d) for d in (0, DEPTH)})
    target = [_middle(trace, "verify") for trace in found["0"]]
    for depth in (0, DEPTH):
        for part in ("draft", "verify", "host") if depth else ("verify", "host"):
            values = [_middle(trace, part) for trace in found[str(depth)]]
            note = f"{_share(values, target):.1%} of a plain target forward"
            yield alone(f"depth {depth}: {part}", "ms", [v * 1e3 for v in values], note)
    for depth in (0, DEPTH):
        hosts = [_middle(trace, "host") for trace in found[str(depth)]]
        shares = [host / plain * 100 for host, plain in zip(hosts, target, strict=True)]
        yield alone(f"host overhead of a cycle, depth {depth}", "%", shares, "of a plain target forward")


def _middle(trace: Trace, part: str) -> float:
    """Seconds of the middle cycle; the first, which has the prompt in it, does not count.

    `host` is seen from outside, from one cycle's event to the next, so that nothing of the engine is left out.
    """
    times = {
        "draft": [c.draft_seconds for c in trace.cycles[1:]],
        "verify": [c.verify_seconds for c in trace.cycles[1:]],
        "host": [
            step - c.draft_seconds - c.verify_seconds for step, c in zip(trace.steps, trace.cycles[1:], strict=True)
        ],
    }
    return median(times[part])


def _share(values: list[float], whole: list[float]) -> float:
    return median(a / b for a, b in zip(values, whole, strict=True))
