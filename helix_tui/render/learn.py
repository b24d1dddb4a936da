"""The lesson on screen: topic and level, the text, and the round that ran last as its example."""

from __future__ import annotations

from textual.content import Content

from engine.events import Cycle

from .example import MADE_UP
from .lessons import LESSONS, LEVELS, TITLES, Topic
from .text import fit

WIDEST = 92
"""Longer lines are hard to read."""
NOW = "Just now "
NOT_YET = "Nothing has run yet, so an example that is made up: "
KEYS = "tab · 1 to 5 · esc"
FINISHED = "In the last reply "

Part = str | tuple[str, str]


def learn(topic: Topic, level: int, cycle: Cycle | None, width: int, *, running: bool = True) -> Content:
    """The lesson at `level` (1 to 5) in lines of at most `width` cells; without a cycle, with an example of its own."""
    width = max(1, min(width, WIDEST))
    lesson = LESSONS[topic][level - 1]
    opening = NOT_YET if cycle is None else NOW if running else FINISHED
    now = opening + lesson.example(cycle or MADE_UP) + "."
    lines = [*head(topic, level, width), Content("")]
    lines += [*paragraphs(lesson.before, width), Content("")]
    bar = "▎ " if width > 12 else ""
    lines += [Content.assemble((bar, "$accent"), line) for line in _wrap(now, width - len(bar), "bold $foreground")]
    lines += [Content(""), *paragraphs(lesson.after, width)]
    return Content("\n").join(lines)


def head(topic: Topic, level: int, width: int) -> list[Content]:
    """Both topics and the five levels, the chosen ones marked by more than colour."""
    topics: list[Part] = []
    for title in TITLES.values():
        topics += [(title, "bold underline $accent") if title == TITLES[topic] else (title, "$muted"), "   "]
    levels: list[Part] = []
    for number, listener in enumerate(LEVELS, 1):
        chosen = number == level
        text = f"{number} {listener}" if width >= 60 or chosen else str(number)
        levels += [(text, "bold underline $accent" if chosen else "$muted"), "  "]
    first, second = (Content.assemble(*parts[:-1]) for parts in (topics, levels))
    gap = width - first.cell_length - len(KEYS)
    if gap > 2:
        first = Content.assemble(first, " " * gap, (KEYS, "$faint"))
    return [first.truncate(width), second.truncate(width)]


def paragraphs(text: str, width: int) -> list[Content]:
    """Prose wrapped; a line that begins with two spaces stays one line."""
    lines: list[Content] = []
    for line in text.split("\n"):
        if line.startswith("  "):
            lines.append(Content.assemble((fit(line, width).rstrip(), "$bonus")))
        else:
            lines += _wrap(line, width, "$foreground")
    return lines


def _wrap(text: str, width: int, style: str) -> list[Content]:
    return list(Content.assemble((text, style)).wrap(max(1, width)))
