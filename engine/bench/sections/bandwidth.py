"""Plain decoding moves the weights through the processor once a token: how close it comes to what memory can give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ...models.paged import PagedModel
from ..forwards import Forwards
from ..lab import Lab
from ..measure import STREAM_BYTES, stream
from ..report import Row, Spread, alone, compare

ROWS = (1, 2, 4, 5, 8, 9, 16)


def measure(lab: Lab) -> Iterator[Row]:
    target = lab.pair.target
    size = weight_bytes(target)
    engine = lab.engine(lab.drafts)
    ids = lab.prompts(1)[0]
    reads = stream(target.device, lab.wait, STREAM_BYTES // 8 if lab.settings.quick else STREAM_BYTES)
    forwards = Forwards(target, ids, lab.wait)
    speeds = lab.interleave(
        {
            "stream": lambda: next(reads) / 1e9,
            "decode": lambda: size / lab.ask(engine, ids, 0).step / 1e9,
            "forward": lambda: size / forwards.seconds(1) / 1e9,
        },
        # Streaming is quick to measure, and the fastest of several is what the machine can do.
        max(lab.settings.rounds, 3),
    )
    note = f"{size / 1e6:,.0f} MB of {target.weights[0]} weights a token"
    yield compare("plain decode, the whole step", "GB/s", speeds["decode"], speeds["stream"], note)
    yield compare("a target forward of 1 row", "GB/s", speeds["forward"], speeds["stream"])
    yield from _rows(lab, forwards, ids)
    forwards.close()


def _rows(lab: Lab, target: Forwards, ids: Sequence[int]) -> Iterator[Row]:
    """What verifying costs: a target forward by its rows, and a draft's."""
    arms = {f"target forward, {rows} rows": partial(target.seconds, rows) for rows in ROWS}
    draft = Forwards(lab.pair.draft, ids, lab.wait) if lab.pair.draft else None
    if draft:
        arms["draft forward, 1 row"] = partial(draft.seconds, 1)
    found = lab.interleave(arms)
    if draft:
        draft.close()
    one = found["target forward, 1 rows"]
    for name, seconds in found.items():
        note = "" if seconds is one else f"{_over(seconds, one).median:.2f} of a target forward of 1 row"
        yield alone(name.replace("1 rows", "1 row"), "ms", [s * 1e3 for s in seconds], note)
    ratio = _over(found["target forward, 9 rows"], one)
    yield Row("9 rows over 1 row", "x", ratio, runs=len(one), note="what a verification at depth 8 costs")


def _over(seconds: Sequence[float], one: Sequence[float]) -> Spread:
    return Spread.of(a / b for a, b in zip(seconds, one, strict=True))


def weight_bytes(model: PagedModel) -> int:
    """Of the weights that a forward of one row reads: all but an embedding of which only a row is looked up."""
    dtype, size = model.weights
    tied = bool(getattr(model.config, "tie_word_embeddings", False)) and dtype != "int8"
    embedding = model.model.get_input_embeddings().weight
    return size if tied else size - embedding.numel() * embedding.element_size()
