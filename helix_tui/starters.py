"""Questions to begin with. The bundled pair answers each of them well, at temperature 0 and at 0.7."""

from __future__ import annotations

STARTERS = (
    "What is speculative decoding?",
    "Why is the sky blue?",
    "Write a short poem about autumn.",
    "What is paged attention?",
    "What is a black hole?",
    "Write a haiku about the sea.",
    "What is a KV cache?",
    "Why do leaves change color in autumn?",
    "What is a language model?",
    "What is the capital of France?",
)

NUMBERED = STARTERS[:9]
"""Those with a key of their own: 0 is another's."""
