"""The panels where another program generates: what its counters tell, and plain words where it tells nothing."""

from __future__ import annotations

from textual.content import Content

from engine.events import Counters

from .bars import bar
from .heading import heading, stack
from .units import percent

WIDEST = 24


def speculation(counters: Counters | None, width: int, height: int) -> Content:
    """Acceptance of all requests on the server since the question, and by place in the draft."""
    lines = [heading("Speculation", "by the server's counters" if _drafting(counters) else "", width)]
    if counters is None or counters.drafted is None:
        return _silent(lines, "This server does not tell whether it speculates.", width, height)
    if not counters.drafted:
        return _silent(lines, "The server has drafted nothing since the question.", width, height)
    accepted = counters.accepted or 0
    lines.append(
        Content.assemble(
            (percent(accepted / counters.drafted), "bold $foreground"), (" accepted", "$muted"), *_length(counters)
        )
    )
    shown = counters.accepted_at[: max(0, height - len(lines) - 1)]
    room = max(1, min(WIDEST, width - 12))
    for place, kept in enumerate(shown, 1):
        share = min(1.0, kept / counters.drafts) if counters.drafts else 0.0
        lines.append(
            Content.assemble((f"{place:>3} ", "$faint"), bar(share, room, "$accent"), (f" {percent(share)}", "$muted"))
        )
    lines.append(Content.assemble(("of all requests on the server", "$faint")).truncate(width))
    return stack(lines, width, height)


def cache(counters: Counters | None, width: int, height: int) -> Content:
    """How full the server's KV cache is."""
    usage = counters.kv_usage if counters else None
    if usage is None:
        return _silent([heading("KV blocks", "", width)], "This server does not tell of its KV cache.", width, height)
    lines = [heading("KV cache", f"{percent(usage)} in use", width), bar(min(1.0, usage), width, "$accent")]
    return _silent(lines, "Of its blocks this server does not tell.", width, height)


def memory(width: int, height: int) -> Content:
    return _silent([heading("Memory", "", width)], "This server does not tell of its memory.", width, height)


def strip(counters: Counters | None, width: int) -> Content:
    """On one line, for narrow terminals."""
    if counters is None or not counters.drafted:
        return Content.assemble(("drafts not told", "$muted")).truncate(width)
    said = percent((counters.accepted or 0) / counters.drafted)
    return Content.assemble((said, "bold $accent"), (" kept", "$muted"), *_length(counters)).truncate(width)


def _drafting(counters: Counters | None) -> bool:
    return counters is not None and bool(counters.drafted)


def _length(counters: Counters) -> list[str | tuple[str, str]]:
    """`   2.31 tokens a round`, where rounds are counted."""
    if not counters.drafts:
        return []
    length = 1 + (counters.accepted or 0) / counters.drafts
    return ["   ", (f"{length:.2f}", "bold $foreground"), (" tokens a round", "$muted")]


def _silent(lines: list[Content], words: str, width: int, height: int) -> Content:
    return stack([*lines, *Content(words).stylize("$muted").wrap(max(1, width))], width, height)
