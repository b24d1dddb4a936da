"""The help screen's text."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from .blocks import CACHED, FLIGHT, FREE, HELD, SHARED
from .blocks import GLYPHS as BLOCK_GLYPHS
from .blocks import STYLES as BLOCK_STYLES
from .origins import CELL_STYLES, GLYPHS, TEXT_STYLES

KEYS = 22
PROMPT_KEYS = (
    ("enter", "Send"),
    ("ctrl+j   alt+enter", "Begin a new line"),
    ("up   down", "Bring back what was sent, from the first or last line"),
    ("i   enter", "Go back to the prompt; so does any other letter"),
    ("1 … 9", "On the first screen: ask one of its questions"),
    ("ctrl+p", "Every command by name, the questions to begin with, and the themes"),
)
TOKENS = (
    ("draft", "accepted: the draft guessed it, and the target agreed"),
    ("rejected", "rejected: the target disagreed; it and what followed went"),
    ("correction", "corrected: what the target said instead"),
    ("bonus", "bonus: all guesses were right, and one more came free"),
    ("plain", "plain: written by the target alone, without a draft"),
)
BLOCKS = (
    (HELD, "in use by this chat"),
    (SHARED, "reused: computed for an earlier turn, not computed again"),
    (FLIGHT, "in flight: held for guesses in the last round, and given back"),
    (CACHED, "remembered: held by nobody, kept for the next turn"),
    (FREE, "free"),
)
WHY = (
    "A small draft model guesses the next few tokens. The large target model checks them all in one pass, which costs "
    "hardly more than one token of its own. What it agrees with is kept. The text is exactly what the target alone "
    "would have written; it only comes sooner when the guesses are good. Press b to see the speed without."
)


def key_text(keys: Sequence[tuple[str, str]], width: int) -> Content:
    """The keys of one screen, in `width` cells."""
    rows = [line for key, what in keys for line in _row(key, "$accent", what, width)]
    return Content("\n").join([_title("Keys"), *rows])


def help_text(keys: Sequence[tuple[str, str]], width: int) -> Content:
    """Everything: the keys of the chat, what colours and shapes mean, and what happens, in `width` cells."""
    lines: list[Content] = [key_text((*keys, *PROMPT_KEYS), width)]
    lines += [Content(""), _title("Tokens")]
    for kind, what in TOKENS:
        sample = Content.assemble((f"{GLYPHS[kind]} cell", CELL_STYLES[kind]), "  ")
        if kind in TEXT_STYLES:
            sample = Content.assemble(sample, ("text", TEXT_STYLES[kind]))
        lines += _beside(sample, Content(what), width)
    lines += [Content(""), _title("KV blocks"), Content("Each holds the keys and values of a few tokens (16).")]
    for state, what in BLOCKS:
        lines += _row(BLOCK_GLYPHS[state], BLOCK_STYLES[state], what, width)
    lines += [Content(""), _title("What happens"), Content(WHY)]
    return Content("\n").join(lines)


def _title(text: str) -> Content:
    return Content.assemble((text, "bold $accent"))


def _row(key: str, style: str, what: str, width: int) -> list[Content]:
    return _beside(Content.assemble((key, style)), Content.assemble((what, "$foreground")), width)


def _beside(left: Content, right: Content, width: int) -> list[Content]:
    """Words in a column of their own beside what they explain; below it where there is no room for a column."""
    if width < 2 * KEYS:
        return [left, *(Content.assemble("  ", line) for line in right.wrap(max(1, width - 2)))]
    first, *more = right.wrap(width - KEYS)
    start = Content.assemble(left, " " * max(1, KEYS - left.cell_length), first)
    return [start, *(Content.assemble(" " * KEYS, line) for line in more)]
