"""What the scripted engine says, and what it tells of its models."""

from __future__ import annotations

import re

from engine.events import (
    DeviceMemory,
    Loaded,
    ModelInfo,
)

GB = 1024**3
STORY = (
    "Once upon a time, in a small house at the edge of a quiet wood, there lived a fox who could not sleep. "
    "Every night she sat on the step and counted the stars, and every night she lost her count near the chimney.\n\n"
    "One evening a very old owl sat down beside her. “You count too fast,” said the owl. “Guess four of them at once, "
    "and let me check your guesses.” So the fox guessed, and the owl looked, and by midnight they had counted them all."
)
SECOND = (
    "The owl was never in a hurry. She looked at the four stars that the fox had named, nodded at three, and said the "
    "name of the one that was wrong. That is all there is to it: guess together, check together, keep what is right."
)
PATTERN = (4, 2, 3, 4, 1, 4, 0, 3, 4, 4, 2, 4)
"""Drafted tokens kept in each round, over and over."""


def words(text: str) -> list[str]:
    """Tokens: words with their leading space, line breaks apart."""
    return re.findall(r"\n+| ?[^\s]+|\s", text)


def model(name: str, parameters: int, size: int) -> ModelInfo:
    return ModelInfo(name, "llama", parameters, "float32", size, 8, 2048, "paged")


def loaded(draft: bool = True, blocks: int = 256) -> Loaded:
    return Loaded(
        device="cpu",
        device_name="a scripted machine",
        target=model("pocket-target", 24_400_000, 98_000_000),
        draft=model("pocket-draft", 3_100_000, 12_600_000) if draft else None,
        context=2048,
        block_count=blocks,
        block_size=16,
        kv_bytes=blocks * 600_000,
        target_block_bytes=500_000,
        draft_block_bytes=100_000,
        seconds=0.4,
        memory=DeviceMemory(2 * GB, 1 * GB, 400_000_000),
        drafter="model" if draft else None,
    )
