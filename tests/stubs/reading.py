"""Read what was rendered: its lines, and the style of a piece of it."""

from __future__ import annotations

from textual.content import Content


def lines(content: Content) -> list[str]:
    return content.plain.split("\n")


def styled(content: Content, text: str) -> str:
    """The style names on the first occurrence of the text."""
    at = content.plain.index(text)
    return " ".join(str(span.style) for span in content.spans if span.start <= at < span.end)
