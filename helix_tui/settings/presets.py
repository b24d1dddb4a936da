"""Named sampling and named system prompts that are always there; the file may add more, or replace these."""

from __future__ import annotations

from engine import Sampling

SAMPLING = {
    "precise": Sampling(temperature=0.0),
    "balanced": Sampling(temperature=0.7, top_p=0.9),
    "creative": Sampling(temperature=1.0, min_p=0.05),
}

SYSTEM = {
    "none": "",
    "brief": "Answer in one or two short sentences.",
    "tutor": "You are a patient teacher. Explain step by step, in simple words, with a small example.",
    "coder": "You are a careful programmer. Answer with working code first, then a short explanation.",
}
