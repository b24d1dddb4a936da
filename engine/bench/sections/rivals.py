"""Decode, prefill and cycle time against transformers, plain and assisted, and against llama.cpp."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ...config import Depth
from .. import llamacpp
from ..lab import Lab
from ..report import Row, compare
from ..rivals import DEFAULTS
from ..trace import Trace, speed

DEPTH = 4
SET_DEPTHS: tuple[Depth, ...] = (6, "auto")
"""With a set acceptance: near the best for 0.8 and a draft of a fifteenth of the cost, and what the engine chooses."""
PROMPT = 128
"""Tokens of the prompt, if the context allows."""
Arms = dict[str, Callable[[], Trace]]


def measure(lab: Lab) -> Iterator[Row]:
    count = lab.settings.reply
    ids = lab.text(min(PROMPT, lab.pair.context // 4))
    lab.learn([ids])
    for dtype in ("float32", "bfloat16"):
        yield from _transformers(lab, ids, count, dtype)
    yield from _llama(lab, ids, count)


def _ours(lab: Lab, ids: Sequence[int], count: int) -> Arms:
    engine = lab.engine(lab.drafts)
    arms: Arms = {
        "plain": partial(lab.ask, engine, ids, 0, count),
        "depth 4": partial(lab.ask, engine, ids, DEPTH, count),
    }
    if lab.settings.alpha is not None:
        for depth in SET_DEPTHS:
            arms[f"set acceptance, depth {depth}"] = partial(lab.ask, lab.subject(), ids, depth, count)
    return arms


def _transformers(lab: Lab, ids: Sequence[int], count: int, dtype: str) -> Iterator[Row]:
    arms = _ours(lab, ids, count)
    rival = lab.rival(dtype)
    arms["generate"] = partial(rival.generate, ids, count)
    if rival.draft is not None:
        arms["assisted"] = partial(rival.generate, ids, count, DEPTH)
        if lab.shape is None:
            arms["assisted, defaults"] = partial(rival.generate, ids, count, DEFAULTS)
    found = lab.interleave(arms)
    name = f"transformers {dtype}"
    plain, generate = found["plain"], found["generate"]
    yield _speed(f"decode: plain / {name} generate", plain, generate, _same(lab, plain, generate, dtype))
    yield _prefill(f"prefill of {len(ids)}: plain / {name} generate", len(ids), plain, generate)
    for arm in ("assisted", "assisted, defaults"):
        if arm in found:
            note = _same(lab, found["depth 4"], found[arm], dtype)
            yield _speed(f"decode: depth 4 / {name} {arm}", found["depth 4"], found[arm], note)
    if "assisted" in found:
        ours, theirs = ([t.step * 1e3 for t in found[arm]] for arm in ("depth 4", "assisted"))
        yield compare(f"cycle at depth 4 / {name} assisted", "ms", ours, theirs, _per_cycle(found))
    yield from _with_set_acceptance(found, generate, f"{name} generate")


def _llama(lab: Lab, ids: Sequence[int], count: int) -> Iterator[Row]:
    missing = llamacpp.missing()
    if missing:
        yield Row("llama.cpp Q8_0", note=missing)
        return
    with llamacpp.Llama(lab.folders[0], lab.folder()) as rival:
        arms = _ours(lab, ids, count)
        arms["llama"] = partial(rival.generate, ids, count)
        found = lab.interleave(arms)
    theirs = found["llama"]
    yield _speed("decode: plain / llama.cpp Q8_0", found["plain"], theirs, _same(lab, found["plain"], theirs, "Q8_0"))
    yield _prefill(f"prefill of {len(ids)}: plain / llama.cpp Q8_0", len(ids), found["plain"], theirs)
    yield _speed("decode: depth 4 / llama.cpp Q8_0 plain", found["depth 4"], theirs)
    yield from _with_set_acceptance(found, theirs, "llama.cpp Q8_0 plain")


def _with_set_acceptance(found: dict[str, list[Trace]], theirs: list[Trace], rival: str) -> Iterator[Row]:
    for depth in SET_DEPTHS:
        ours = found.get(f"set acceptance, depth {depth}")
        if ours:
            length = sum(ours[0].counts) / len(ours[0].counts)
            yield _speed(
                f"decode: set acceptance, depth {depth} / {rival}", ours, theirs, f"{length:.2f} tokens a cycle"
            )


def _speed(name: str, ours: list[Trace], theirs: list[Trace], note: str = "") -> Row:
    return compare(name, "tokens/s", [speed([t]) for t in ours], [speed([t]) for t in theirs], note)


def _prefill(name: str, length: int, ours: list[Trace], theirs: list[Trace]) -> Row:
    return compare(name, "tokens/s", [length / t.first for t in ours], [length / t.first for t in theirs])


def _same(lab: Lab, ours: list[Trace], theirs: list[Trace], dtype: str) -> str:
    """Whether both said the same: they must where both compute in float32."""
    a, b = ours[0].ids, theirs[0].ids
    equal = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if equal == len(a) == len(b):
        return f"all {equal} token ids equal"
    ours_dtype = lab.pair.target.weights[0]
    if ours_dtype == dtype == "float32":
        return f"TOKEN IDS DIFFER from number {equal + 1}"
    return f"the first {equal} of {len(b)} token ids equal ({ours_dtype} against {dtype})"


def _per_cycle(found: dict[str, list[Trace]]) -> str:
    lengths = [sum(t.counts) / len(t.counts) for t in (found["depth 4"][0], found["assisted"][0])]
    return f"{lengths[0]:.2f} tokens a cycle, {lengths[1]:.2f} theirs"
