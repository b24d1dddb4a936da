"""The cycle's own decisions, on the engine's parts."""

from __future__ import annotations

from typing import Any

import tiny

from engine import Engine, Request
from engine.intake import sequence_of


class Wavering:
    """A sequence whose depth another thread changes between any two looks at it."""

    def __init__(self, sequence: Any) -> None:
        self._sequence = sequence
        self._looks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sequence, name)

    @property
    def depth(self) -> Any:
        self._looks += 1
        return 3 if self._looks % 2 else "auto"


def test_a_depth_that_changes_while_it_is_read_is_one_of_the_two(models: tiny.Models) -> None:
    target, draft = str(models.target("llama")), str(models.near("llama"))
    with Engine.load(target, draft, device="cpu", dtype="float32") as engine:
        sequence = sequence_of(Request(prompt_ids=tiny.prompt(10, 1)), engine._pair, engine._limits)
        wavering: Any = Wavering(sequence)
        fixed = engine._speculator.pacer.depths([wavering], 64)[0]
        adaptive = engine._speculator.pacer.depths([wavering], 64)[0]
    assert (fixed.tokens, fixed.reason) == (3, "")
    assert adaptive.reason != ""
