"""The first screen: a helix, two sentences, and questions to begin with."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from .helix import helix
from .text import fit

HELIX_WIDTH, HELIX_HEIGHT = 44, 5
WORDS = ("Ask something.", "A small draft model guesses ahead; the large one checks the guesses all at once.")
REPLAY = ("This is a recording; no model is loaded.", "space holds it · ← → go by replies · q quits")
HINT = "esc, then a number, asks one of these"
GAP = 4


def welcome(width: int, height: int, phase: float, *, starters: Sequence[str] = (), replay: bool = False) -> Content:
    """Everything in `width` by `height` cells, the helix turned by `phase`; questions only where all have room."""
    lines: list[Content] = []
    if height >= HELIX_HEIGHT + 4:
        drawn = helix(min(HELIX_WIDTH, width), HELIX_HEIGHT, phase)
        lines += [*(_centred(line, width) for line in drawn.split("\n")), Content("")]
    for number, words in enumerate(REPLAY if replay else WORDS):
        text = Content.assemble((words, "$foreground" if number == 0 else "$muted"))
        lines += [_centred(part.rstrip(), width) for part in text.wrap(max(1, width))]
    if starters and not replay:
        lines += _questions(starters, width, height - len(lines) - 3)
    return Content("\n").join(lines[: max(1, height)])


def _questions(starters: Sequence[str], width: int, rows: int) -> list[Content]:
    """Numbered, in two columns or one, under the hint; nothing where they have no room."""
    cell = max(len(question) for question in starters) + 3
    for columns in (2, 1):
        down = -(-len(starters) // columns)
        if down <= rows and columns * cell + GAP * (columns - 1) <= width:
            break
    else:
        return []
    lines = [Content(""), _centred(Content.assemble((HINT, "$faint")), width), Content("")]
    for row in range(down):
        parts: list[str | tuple[str, str]] = []
        for number in range(row, len(starters), down):
            parts += [(f"{number + 1}  ", "$accent"), (fit(starters[number], cell - 3), "$muted"), " " * GAP]
        # The last column may be shorter: the block stays where it is.
        line = Content.assemble(*parts[:-1])
        whole = columns * cell + GAP * (columns - 1)
        lines.append(_centred(Content.assemble(line, " " * (whole - line.cell_length)), width))
    return lines


def _centred(line: Content, width: int) -> Content:
    """With its own spaces counted, unlike `Content.center`."""
    return Content.assemble(" " * max(0, (width - line.cell_length) // 2), line).truncate(width)
