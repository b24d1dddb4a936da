"""Events for the render tests, with only what a test is about spelled out."""

from __future__ import annotations

from typing import Any

from engine.events import Blocks, Cycle, DeviceMemory, Drafted, Emitted, Finished, Loaded, ModelInfo, Started, Usage

POOL = Blocks(table=(), length=0, shared=0, cached=(), free=8, total=8)


def pool(table: Any = (), length: int = 0, shared: int = 0, cached: Any = (), total: int = 8) -> Blocks:
    held = sum(n for _, n in table) + sum(n for _, n in cached)
    return Blocks(table, length, shared, cached, total - held, total)


def cycle(
    drafted: str = "",
    own: str = "z",
    kept: int = 0,
    *,
    index: int = 0,
    depth: int | None = None,
    seconds: float = 0.01,
    blocks: Blocks = POOL,
    peak: int = 0,
    reason: str = "",
    request: int = 1,
    in_flight: Any = (),
) -> Cycle:
    """Each letter of `drafted` is a drafted token, the first `kept` of them accepted; `own` is the target's token."""
    tokens = tuple(Drafted(i, c, 0.5, 0.5, i < kept) for i, c in enumerate(drafted))
    origin = "plain" if not drafted else "bonus" if kept == len(drafted) else "correction"
    emitted = tuple(Emitted(i, c, "draft") for i, c in enumerate(drafted[:kept]))
    last = (Emitted(99, own, origin),) if own else ()  # type: ignore[arg-type]
    return Cycle(
        request, index, len(drafted) if depth is None else depth, tokens, kept, emitted + last, 0.001, 0.008, seconds,
        blocks, peak, reason=reason, in_flight=in_flight,
    )  # fmt: skip


def started(
    prompt: int = 10, cached: int = 0, depth: int = 4, blocks: Blocks = POOL, *, request: int = 1, rule: Any = None
) -> Started:
    return Started(request, prompt, cached, depth, blocks, rule=rule)


def usage(**figures: Any) -> Usage:
    known: dict[str, Any] = {
        "prompt_tokens": 10, "cached_tokens": 0, "completion_tokens": 5, "cycles": 2, "drafted": 8, "accepted": 3,
        "acceptance_rate": 0.375, "mean_accepted_length": 2.5, "ttft_s": 0.1, "decode_s": 0.2,
        "decode_tokens_per_s": 20.0,
    }  # fmt: skip
    return Usage(**(known | figures))


def finished(blocks: Blocks = POOL, reason: Any = "eos", *, request: int = 1, **figures: Any) -> Finished:
    return Finished(request, reason, "text", usage(**figures), blocks)


def model(size: int, name: str = "org/model-a", parameters: int = 24_400_000) -> ModelInfo:
    return ModelInfo(name, "llama", parameters, "float32", size, 2, 2048, "paged")


def loaded(draft: bool = True, **changes: Any) -> Loaded:
    fields: dict[str, Any] = {
        "device": "cpu", "device_name": "a machine", "target": model(300),
        "draft": model(100, "org/model-b", 3_100_000) if draft else None, "context": 2048, "block_count": 8,
        "block_size": 16, "kv_bytes": 80, "target_block_bytes": 8, "draft_block_bytes": 2, "seconds": 1.0,
        "memory": DeviceMemory(1000, 400, 500), "drafter": "model" if draft else None,
    }  # fmt: skip
    return Loaded(**(fields | changes))
