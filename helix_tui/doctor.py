"""`helix-chat doctor`: what is installed, what there is to run on, which models are here, and what would be used.

Every probe stands alone: one that fails says so in its own line and hides nothing else.
"""

from __future__ import annotations

import json
import math
import os
import platform
import struct
from collections.abc import Callable
from functools import partial
from importlib import import_module, metadata, resources
from importlib.resources.abc import Traversable
from typing import Any

import platformdirs
from rich.console import Console
from rich.text import Text

import engine
from engine import EngineConfig
from engine.devices import trouble

from .quiet import hush_libraries, log_path
from .store import data_folder

PACKAGES = ("helix-chat", "torch", "transformers", "tokenizers", "huggingface-hub", "textual", "rich", "numpy")
EXTRAS = {"directml": "torch-directml", "serve": "fastapi", "bench": "llama-cpp-python", "test": "pytest"}
"""One package that each extra brings."""

POOL_RULES = {"asked": "as asked", "chats": "what chats want", "share": "a quarter of the memory that is free"}

Section = dict[str, Any]


def report(*, as_json: bool = False) -> None:
    """Print everything that `examine` finds."""
    found = examine()
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    # Plain when piped, and never cut: a terminal wraps long lines by itself.
    console = Console(soft_wrap=True)
    for title, section in found.items():
        console.print(Text(title, style="bold"))
        for name, value in section.items():
            console.print(Text.assemble((f"  {name:<16}", "cyan"), " ", _shown(value)))


def examine() -> dict[str, Section]:
    """The findings by section, fit for JSON."""
    hush_libraries()
    return {
        "versions": _versions(),
        "machine": _machine(),
        "devices": _guarded(_devices),
        "models": {**_bundled("target"), **_bundled("draft"), **_guarded(_cache)},
        "extras": {name: "installed" if _version(package) else "not installed" for name, package in EXTRAS.items()},
        "folders": _folders(),
        "would use": _guarded(_would_use),
    }


def _guarded(probe: Callable[[], Section]) -> Section:
    try:
        return probe()
    except Exception as error:
        return {probe.__name__.strip("_").replace("_", " "): f"not known ({type(error).__name__}: {error})"}


def _ask(probe: Callable[[], Any]) -> Any:
    try:
        return probe()
    except Exception as error:
        return f"not known ({type(error).__name__}: {error})"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _versions() -> Section:
    found: Section = {name: _version(name) or "not installed" for name in PACKAGES}
    found["python"] = platform.python_version()
    found["platform"] = platform.platform()
    return found


def _machine() -> Section:
    from engine import host

    return {
        "processor": _ask(host.cpu_name),
        "cores": _ask(lambda: len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "features": _ask(lambda: list(host.cpu_features())),
        "torch threads": _ask(lambda: import_module("torch").get_num_threads()),
        "torch vectors": _ask(lambda: import_module("torch").backends.cpu.get_cpu_capability()),
        "int8": _ask(_int8),
        "memory": _ask(lambda: {"total": host.read_host().total, "free": host.read_host().available}),
    }


def _int8() -> str:
    """What the int8 linears do on this processor, and what runs where they do not."""
    support = engine.int8_support()
    if support is None:
        return "this torch has no int8 linears for this processor; models run in bfloat16 or float32"
    speed = (
        "faster than float32: all but tiny ones use it" if support.pays else "slower than float32: only if asked for"
    )
    return f"{support.kernel}, {speed}"


def _devices() -> Section:
    return {
        d.spec: {
            "name": d.name,
            "total": d.total,
            "free": d.free,
            "dtypes": list(d.dtypes),
            "skipped": _ask(partial(trouble, d)),
        }
        for d in engine.list_devices()
    }


def _bundled(which: str) -> Section:
    return {f"bundled {which}": _ask(lambda: _describe(resources.files("helix_assets") / which))}


def _describe(folder: Traversable) -> Section:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    parameters, size = 0, 0
    for file in folder.iterdir():
        if file.name.endswith(".safetensors"):
            counted, stored = _weights(file)
            parameters, size = parameters + counted, size + stored
    return {
        "path": str(folder),
        "architecture": config.get("model_type"),
        "parameters": parameters,
        "bytes": size,
        "dtype": "int8" if "quantization_config" in config else config.get("dtype") or config.get("torch_dtype"),
        "context": config.get("max_position_embeddings"),
    }


def _weights(file: Traversable) -> tuple[int, int]:
    """(parameters, bytes) from the header of a safetensors file, without reading the weights."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    tensors = {name: t for name, t in header.items() if name != "__metadata__"}
    parameters = sum(math.prod(t["shape"]) for name, t in tensors.items() if not name.endswith("_scale"))
    return parameters, max((t["data_offsets"][1] for t in tensors.values()), default=0)


def _cache() -> Section:
    """Models that were fetched from the Hugging Face hub before: usable with no network."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = [repo for repo in scan_cache_dir().repos if repo.repo_type == "model"]
    except CacheNotFound:
        repos = []
    if not repos:
        return {"hub cache": "empty"}
    return {repo.repo_id: {"bytes": repo.size_on_disk} for repo in sorted(repos, key=lambda r: r.repo_id)}


def _folders() -> Section:
    return {
        "logs": _ask(lambda: str(log_path().parent)),
        "data": _ask(lambda: str(data_folder())),
        "config": _ask(lambda: platformdirs.user_config_dir("helix-chat", appauthor=False)),
        "hub cache": _ask(lambda: import_module("huggingface_hub.constants").HF_HUB_CACHE),
        "timings": _ask(_timings),
    }


def _timings() -> str:
    """Of forwards, which depth "auto" begins with."""
    path, pairs = engine.kept_timings()
    if path is None:
        return "not kept: measured at every start"
    return f"{path} (remembered for {pairs} {'pair' if pairs == 1 else 'pairs'}; others are measured at load)"


def _would_use() -> Section:
    """What `helix-chat` with no options takes."""
    device = engine.pick_device("auto")
    target = _describe(resources.files("helix_assets") / "target")
    return {
        "target": "bundled",
        "draft": "bundled",
        "device": f"{device.spec} ({device.name})",
        "dtype": _ask(lambda: engine.estimate(device=device).dtype),
        "context": EngineConfig().max_context or target["context"],
        "kv cache": _ask(_pool),
    }


def _pool() -> str:
    """What the pool would get now, and why."""
    told = engine.estimate()
    return f"{_size(told.kv)} for {told.tokens:,} tokens, {POOL_RULES[told.rule]} (--kv-memory sets it)"


def _shown(value: Any) -> str:
    """One line for a person."""
    if isinstance(value, dict):
        return ", ".join(_pair(k, v) for k, v in value.items() if v is not None)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none known"
    return str(value)


def _pair(name: str, value: Any) -> str:
    if name in ("total", "free", "bytes"):
        return _size(value) + ("" if name == "bytes" else f" {name}")
    if name == "parameters":
        return f"{value / 1e6:,.1f}M parameters"
    if name == "skipped":
        return f"skipped by auto ({value})"
    if name == "context":
        return f"context {value}"
    return _shown(value)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
