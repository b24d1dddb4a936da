"""One family of errors: each message is one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Offer:
    """A smaller way to load what did not fit."""

    changes: Mapping[str, Any]
    """Arguments of `Engine.load` that make it so."""
    words: str
    """Such as `in bfloat16 and without a draft model`."""
    needs: int
    """Bytes, about."""


class HelixError(Exception):
    """Anything the engine refuses or fails at; `str(error)` is fit to be shown to a person."""


class InvalidRequest(HelixError):
    """A request or a setting with a value outside what is possible."""


class ModelNotFound(HelixError):
    """No model at that folder, or no such name on the hub."""


class UnsupportedModel(HelixError):
    """A model that cannot run over a paged KV cache."""


class IncompatibleDraft(HelixError):
    """A draft whose tokens mean something else than the target's."""


class ContextTooLong(HelixError):
    """A prompt that leaves no room for a reply in the model's context."""


class OutOfMemory(HelixError):
    """Not enough blocks in the KV pool, or not enough device memory.

    At load it may offer a smaller plan.
    """

    def __init__(self, message: str, offer: Offer | None = None) -> None:
        super().__init__(message)
        self.offer = offer


class DeviceUnavailable(HelixError):
    """A device that is unknown, or not present on this machine."""


class BadRecording(HelixError):
    """A recording that cannot be read."""


def shown(value: object) -> str:
    """A wrong value as a part of a sentence: short and on one line, whatever it is."""
    try:
        text = repr(value)
    except Exception:
        # An integer of 5,000 digits, or an object whose repr fails.
        text = f"a {type(value).__name__}"
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= 60 else f"{text[:57]}..."


_FAMILY = {
    cls.__name__: cls
    for cls in (
        HelixError,
        InvalidRequest,
        ModelNotFound,
        UnsupportedModel,
        IncompatibleDraft,
        ContextTooLong,
        OutOfMemory,
        DeviceUnavailable,
        BadRecording,
    )
}


def from_name(name: str, message: str) -> HelixError:
    """The error that `type(error).__name__` and `str(error)` were taken from (`Failed` events carry both)."""
    return _FAMILY.get(name, HelixError)(message)
