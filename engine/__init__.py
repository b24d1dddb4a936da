"""Helix's engine: speculative decoding over a paged KV cache, lossless, for any causal LM of transformers.

    from engine import Engine, Request
    with Engine.load() as engine:
        print(engine.generate(Request(prompt="Once upon a time")).text)

Importing this package loads neither torch nor transformers: `Engine` and the device functions bring them.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import events
from .config import MAX_DEPTH, EngineConfig, Sampling, Speculation
from .errors import (
    BadRecording,
    ContextTooLong,
    DeviceUnavailable,
    HelixError,
    IncompatibleDraft,
    InvalidRequest,
    ModelNotFound,
    Offer,
    OutOfMemory,
    UnsupportedModel,
)
from .events import Event
from .recording import Recorder, read_recording
from .request import Completion, Request

if TYPE_CHECKING:
    from .devices import Device, list_devices, pick_device
    from .engine import Engine
    from .models.estimate import Estimate, estimate
    from .models.facts import ModelFacts, read_facts
    from .models.hub import cached_folder
    from .models.load import choose_dtype
    from .models.quantize import int8_support
    from .models.remembered import kept_timings
    from .models.source import fetch

__all__ = [
    "MAX_DEPTH",
    "BadRecording",
    "Completion",
    "ContextTooLong",
    "Device",
    "DeviceUnavailable",
    "Engine",
    "EngineConfig",
    "Estimate",
    "Event",
    "HelixError",
    "IncompatibleDraft",
    "InvalidRequest",
    "ModelFacts",
    "ModelNotFound",
    "Offer",
    "OutOfMemory",
    "Recorder",
    "Request",
    "Sampling",
    "Speculation",
    "UnsupportedModel",
    "cached_folder",
    "choose_dtype",
    "estimate",
    "events",
    "fetch",
    "int8_support",
    "kept_timings",
    "list_devices",
    "pick_device",
    "read_facts",
    "read_recording",
]

_LAZY = {
    "Engine": ".engine",
    "Device": ".devices",
    "list_devices": ".devices",
    "pick_device": ".devices",
    "choose_dtype": ".models.load",
    "int8_support": ".models.quantize",
    "kept_timings": ".models.remembered",
    "Estimate": ".models.estimate",
    "estimate": ".models.estimate",
    "ModelFacts": ".models.facts",
    "cached_folder": ".models.hub",
    "read_facts": ".models.facts",
    "fetch": ".models.source",
}
_PATIENCE = {"GOMP_SPINCOUNT": "2000", "KMP_BLOCKTIME": "1"}
"""How long a compute thread spins before it sleeps. The defaults suit a machine of one's own: beside another busy
program they made a token five times slower here. They count only if torch is not loaded yet."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        for variable, value in _PATIENCE.items():
            os.environ.setdefault(variable, value)
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
