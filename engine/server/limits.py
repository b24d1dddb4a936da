"""How much text one call may bring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .problems import Problem
from .settings import ServerSettings


def check_size(settings: ServerSettings, texts: Iterable[Mapping[str, Any]]) -> None:
    """Raise Problem for texts (each as the engine's Request takes them) that are together too long."""
    size = sum(
        len(text.get("prompt") or "")
        + len(text.get("prompt_ids") or ())
        + sum(len(message["content"]) for message in text.get("messages") or ())
        for text in texts
    )
    if size > settings.max_prompt:
        limit = settings.max_prompt
        raise Problem(413, f"The prompt is too long; send at most {limit} characters.", "invalid_request_error")
