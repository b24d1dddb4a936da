"""The one quiet line under a finished reply."""

from __future__ import annotations

from engine.events import FinishReason, Usage

from .units import count, percent, rate, seconds

REASONS: dict[str, str] = {
    "eos": "",
    "stop": "",
    "length": "cut at the token limit",
    "context": "the context is full",
    "cancelled": "stopped",
    "error": "broken off",
}


def reading(prompt_tokens: int, cached_tokens: int) -> str:
    """What a prefill has to do: `reading 17 tokens · 123 remembered`."""
    new = f"reading {count(prompt_tokens - cached_tokens, 'token')}"
    return f"{new} · {cached_tokens:,} remembered" if cached_tokens else new


def versions(at: int, of: int) -> str:
    """`‹ 2/3 ›`: which of several it is, counted from 0; nothing for the only one."""
    return f"‹ {at + 1}/{of} ›" if of > 1 else ""


def ending(reason: FinishReason | None, usage: Usage | None, tokens: int) -> str:
    """The line of a reply from the store: without a reason it was cut off, and nothing was measured."""
    if reason is not None and usage is not None:
        return summary(reason, usage)
    said = "cut off" if reason is None else REASONS.get(reason, reason)
    return " · ".join(part for part in (said, count(tokens, "token") if tokens else "") if part)


def summary(reason: FinishReason, usage: Usage) -> str:
    """`stopped · 128 tokens · 212 tokens/s · first token 84 ms · 81 % accepted · 112 of 140 prompt tokens reused`.

    Speed, first token and acceptance are the usage's own; what was not measured is left out.
    """
    parts = [REASONS.get(reason, reason), count(usage.completion_tokens, "token")]
    if usage.decode_tokens_per_s is not None:
        parts.append(f"{rate(usage.decode_tokens_per_s)} tokens/s")
    if usage.ttft_s is not None:
        parts.append(f"first token {seconds(usage.ttft_s)}")
    if usage.cycles:  # Other programs tell of none.
        parts.append("baseline" if usage.acceptance_rate is None else f"{percent(usage.acceptance_rate)} accepted")
    if usage.cached_tokens:
        parts.append(f"{usage.cached_tokens:,} of {usage.prompt_tokens:,} prompt tokens reused")
    return " · ".join(part for part in parts if part)
