"""Many at once: what continuous batching gives, what a long prompt costs the others, and a rush over HTTP."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from ...config import Depth, Speculation
from ...engine import Engine
from ...events import Cycle, Started
from ...request import Request
from ..lab import Lab
from ..report import Row, Spread, compare

TOGETHER = 8
LONG, SHORT = 1500, 16
SYSTEM, SHARERS = 500, 16
WIDE = 2048
"""Context of the copy that the long prompts run on: the weights are the same, their text past the trained length is not
meant to be read."""


def measure(lab: Lab) -> Iterator[Row]:
    yield from _together(lab)
    with _wide(lab) as engine:
        yield _interrupting(lab, engine)
        yield _shared(lab, engine)
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        yield Row("requests over HTTP", note="not measured: needs the extra serve")
    else:
        from ..rush import rush

        yield rush(lab)


def _together(lab: Lab) -> Iterator[Row]:
    engine, prompts = lab.engine(lab.drafts), lab.prompts(TOGETHER)
    found = lab.interleave(
        {
            "one at a time": partial(_rate, lab, engine, prompts, 0, together=False),
            "together": partial(_rate, lab, engine, prompts, 0, together=True),
            "together, auto": partial(_rate, lab, engine, prompts, "auto", together=True),
        }
    )
    one, many, auto = found["one at a time"], found["together"], found["together, auto"]
    yield compare(f"{TOGETHER} requests together over one at a time", "tokens/s", many, one, "both at depth 0")
    yield compare(f"{TOGETHER} together, speculation auto over off", "tokens/s", auto, many)


def _rate(lab: Lab, engine: Engine, prompts: Sequence[Sequence[int]], depth: Depth, *, together: bool) -> float:
    """Tokens a second of all replies, prefill included, with nothing remembered of earlier rounds."""
    lab.forget()
    requests = [
        Request(prompt_ids=ids, max_tokens=lab.settings.reply, speculation=Speculation(depth)) for ids in prompts
    ]
    start = time.perf_counter()
    replies = engine.generate_batch(requests) if together else [engine.generate(request) for request in requests]
    return sum(len(reply.token_ids) for reply in replies) / (time.perf_counter() - start)


def _wide(lab: Lab) -> Engine:
    """The pair with room for long prompts."""
    folders = [folder and _widened(folder, lab.folder()) for folder in lab.folders]
    assert folders[0] is not None
    return Engine.load(folders[0], folders[1], lab.settings.device, lab.settings.dtype, max_context=WIDE)


def _widened(folder: Path, copy: Path) -> Path:
    for file in folder.iterdir():
        if file.is_file():
            shutil.copy(file, copy)
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] = max(WIDE, config.get("max_position_embeddings", 0))
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return copy


def _interrupting(lab: Lab, engine: Engine) -> Row:
    """A short request comes at some moment of a chunk; its first token is due one chunk after that chunk's end."""
    found = []
    for number in range(2 * lab.settings.rounds):
        alone = _long(lab, 2 * number)
        start = time.perf_counter()
        engine.generate(alone)
        chunk = (time.perf_counter() - start) / (LONG / engine.chunk)
        engine.submit(_long(lab, 2 * number + 1))
        engine.step()
        asked: list[float] = []
        short = Request(prompt_ids=lab.random(SHORT, 1000 + number), max_tokens=1, speculation=Speculation(0))

        def ask(asked: list[float] = asked, short: Request = short) -> None:
            asked.append(time.perf_counter())
            asked.append(engine.submit(short))

        timer = threading.Timer(chunk * (number + 0.5) / (2 * lab.settings.rounds), ask)
        timer.start()
        while engine.busy or not asked:
            events = engine.step()
            if any(isinstance(e, Cycle) and len(asked) > 1 and e.request == asked[1] for e in events):
                found.append((time.perf_counter() - asked[0]) / chunk)
        timer.join()
    note = (
        f"in chunks of {engine.chunk} tokens, as the same prompt alone takes for them; over the moments it may come at"
    )
    return Row(
        f"first token of a short request beside {LONG:,} tokens", "", Spread.of(found), runs=len(found), note=note
    )


def _long(lab: Lab, seed: int) -> Request:
    return Request(prompt_ids=lab.random(LONG, seed), max_tokens=1)


def _shared(lab: Lab, engine: Engine) -> Row:
    """Blocks that requests with one system prompt hold, all asked at the same moment."""
    system = lab.random(SYSTEM, 7)
    numbers = {engine.submit(Request(prompt_ids=[*system, 5 + i, 6], max_tokens=64)) for i in range(SHARERS)}
    tables: dict[int, set[int]] = {}
    cached = 0
    while len(tables) < len(numbers):
        for event in engine.step():
            if isinstance(event, Started):
                cached += event.cached_tokens
            elif isinstance(event, Cycle):
                whole = [n for first, count in event.blocks.table for n in range(first, first + count)]
                tables[event.request] = set(whole[: SYSTEM // 16])
    held = len(set().union(*tables.values()))
    for number in numbers:
        engine.cancel(number)
    engine.step()
    note = (
        f"{SYSTEM // 16} once would do; {cached:,} of {(SHARERS - 1) * SYSTEM:,} tokens of the others were not computed"
    )
    return Row(f"blocks for a system prompt of {SYSTEM} tokens in {SHARERS} requests", "", Spread.of([held]), note=note)
