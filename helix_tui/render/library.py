"""The list of conversations: a title, when it was used, and the words that were found in it."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.cells import cell_len
from textual.content import Content

from ..store import Summary
from .text import fit, safe
from .units import count

MINUTE, HOUR, DAY = 60, 3600, 86400


def ago(then: float, now: float) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `yesterday`, `4 days ago`; after two weeks the date."""
    passed = max(0.0, now - then)
    if passed < MINUTE:
        return "just now"
    if passed < HOUR:
        return f"{passed / MINUTE:.0f} min ago"
    if passed < DAY:
        return f"{passed / HOUR:.0f} h ago"
    days = int(passed / DAY)
    if days < 14:
        return "yesterday" if days == 1 else f"{days} days ago"
    try:
        return datetime.fromtimestamp(then, UTC).astimezone().strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return "long ago"


def entry(chat: Summary, now: float, width: int, *, current: bool = False) -> Content:
    """Two lines: title and time; then what was found, or how the last reply begins. Matches are underlined too."""
    when = ("open now · " if current else "") + ago(chat.updated, now)
    room = max(0, width - cell_len(when) - 2)
    title = fit(_line(chat.title) or "Untitled", room)
    first = Content.assemble((title, "bold $foreground"), "  ", (when, "$accent" if current else "$muted"))
    if chat.snippet:
        second = Content.assemble(
            *((safe(text), "bold underline $accent" if hit else "$muted") for text, hit in chat.snippet)
        )
    else:
        second = Content.assemble((f"{count(chat.messages, 'message')} · {_line(chat.preview)}", "$muted"))
    return Content("\n").join([first.truncate(max(0, width)), second.truncate(max(0, width), ellipsis=True)])


def _line(text: str) -> str:
    return safe(" ".join(text.split()))
