"""LongRoPE keeps two sets of frequencies (Ding et al. 2024, arXiv 2402.13753), and transformers chooses one for all
rows of a forward by the furthest of them. A cache that outlives a forward, or a batch, would mix both: so one is chosen
when the model is loaded, by how long a text may become, and held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = ("longrope", "su")
"""The second is what it was called at first."""


def border(config: Mapping[str, Any]) -> int | None:
    """Tokens of context up to which the short frequencies hold; None for a model that has one set. No torch here."""
    parameters = config.get("rope_parameters") or config.get("rope_scaling")
    if not isinstance(parameters, Mapping):
        return None
    for found in (parameters, *parameters.values()):
        if isinstance(found, Mapping) and found.get("rope_type", found.get("type")) in KINDS:
            length = found.get("original_max_position_embeddings") or config.get("original_max_position_embeddings")
            return length if isinstance(length, int) and length > 0 else None
    return None


def hold(model: Any, context: int) -> None:
    """Choose for texts of up to `context` tokens, for good."""
    import torch

    for module in model.modules():
        if getattr(module, "rope_type", None) in KINDS:
            with torch.no_grad():
                module(torch.zeros(1, 1, device=model.device), torch.tensor([[context - 1]], device=model.device))
            module.rope_type = "default"
