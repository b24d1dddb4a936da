"""Forward timings kept from one start to the next, in the person's cache folder.

They are a convenience: a file that cannot be read or written is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .paged import PagedModel

FOLDER = "HELIX_CACHE"
"""The environment variable that names another folder; empty keeps nothing."""
SCHEME = 4
MOST = 64
"""Pairs that are kept, the latest."""
AGE = 30 * 24 * 3600.0
"""Seconds after which a machine may have become another."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of a forward by its rows."""

    verify: dict[int, float]
    draft: dict[int, float]
    """Empty without a draft."""


def place() -> Path | None:
    """The file, None where nothing is kept."""
    named = os.environ.get(FOLDER)
    if named is not None:
        return Path(named) / "timings.json" if named else None
    try:
        import platformdirs  # Lazily: the engine alone works without it.
    except ImportError:
        return None
    return platformdirs.user_cache_path("helix-chat", appauthor=False) / "timings.json"


def identity(target: PagedModel, draft: PagedModel | None, device: str, context: int) -> str:
    """A key for this pair on this machine as it is set up: configuration, some weights, dtype, threads, versions."""
    parts = [SCHEME, torch.__version__, torch.get_num_threads(), device, context]
    parts += [_of(model) for model in (target, draft) if model is not None]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def recall(key: str) -> Timings | None:
    """What was measured for a key not too long ago."""
    entry = _read().get(key)
    if entry is None:
        return None
    return Timings(_numbers(entry["verify"]), _numbers(entry["draft"]))


def remember(key: str, timings: Timings) -> None:
    entries = _read()
    entries[key] = {"at": time.time(), "verify": timings.verify, "draft": timings.draft}
    _write(entries)


def forget(key: str) -> None:
    """They turned out wrong: the next start measures again."""
    entries = _read()
    if entries.pop(key, None) is not None:
        _write(entries)


def kept_timings() -> tuple[Path | None, int]:
    """The file they are kept in, None where nothing is kept, and for how many pairs."""
    return place(), len(_read())


def _of(model: PagedModel) -> list[Any]:
    sample = model.model.get_input_embeddings().weight.detach().flatten()
    picked = sample[:: max(1, len(sample) // 64)][:64].float().tolist()
    shapes = [str(tuple(p.shape)) for p in model.model.parameters()]
    dtype, size = model.weights
    store = type(model.store).__name__
    way = [model.attention, model.exact, model.allocator.total, store]
    return [model.config.to_dict(), picked, shapes, dtype, size, *way]


def _read() -> dict[str, dict[str, Any]]:
    """The entries that make sense and are not too old."""
    path = place()
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if _sound(v)} if isinstance(found, dict) else {}


def _sound(entry: Any) -> bool:
    try:
        verify, draft = _numbers(entry["verify"]), _numbers(entry["draft"])
        fresh = 0 <= time.time() - float(entry["at"]) < AGE
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    values = [*verify.values(), *draft.values()]
    return fresh and bool(verify) and all(math.isfinite(v) and v > 0 for v in values)


def _numbers(entry: Mapping[str, float]) -> dict[int, float]:
    return {int(rows): float(seconds) for rows, seconds in entry.items()}


def _write(entries: dict[str, dict[str, Any]]) -> None:
    path = place()
    if path is None:
        return
    latest = sorted(entries.items(), key=lambda item: -float(item[1]["at"]))[:MOST]
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(dict(latest)), encoding="utf-8")
        partial.replace(path)
    except OSError:
        return
