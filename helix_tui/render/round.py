"""One round drawn large: each drafted token as a cell with its chances, and in words what happened."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content

from engine.events import Cycle, Drafted

from .origins import CELL_STYLES, GLYPHS
from .text import fit, label, safe
from .units import seconds

WIDEST = 14
TEXT_FROM = 4
"""Narrower cells show the glyph only."""
CHANCES_FROM = 4
CONTEXT = 28
OWN = {"correction": "instead", "bonus": "for free", "plain": "no draft"}

Part = str | tuple[str, str]


def chance(value: float) -> str:
    """A probability in four characters: `0.62`, `<.01`."""
    return "<.01" if 0 < value < 0.005 else f"{value:.2f}"


def quoted(text: str) -> str:
    return f"‘{label(text)}’"


def happened(cycle: Cycle) -> str:
    """`4 drafted, 2 kept; the target said ‘sky’ instead of ‘sea’.`"""
    own = next((token for token in cycle.emitted if token.origin != "draft"), None)
    drafted = len(cycle.drafted)
    if not drafted:
        return f"Nothing was drafted; the target wrote {quoted(own.text)} alone." if own else "Nothing was drafted."
    if cycle.accepted == drafted:
        kept = "and kept" if drafted == 1 else "all kept"
        free = f"; the same pass gave {quoted(own.text)} for free" if own else "; the reply ended there"
        return f"{drafted} drafted, {kept}{free}."
    kept = f"{cycle.accepted} kept" if cycle.accepted else "none kept"
    if own is None:
        return f"{drafted} drafted, {kept}; the reply ended there."
    instead = cycle.drafted[cycle.accepted].text
    return f"{drafted} drafted, {kept}; the target said {quoted(own.text)} instead of {quoted(instead)}."


def times(cycle: Cycle) -> str:
    """`depth 4 · 31 ms: draft 9 ms, check 20 ms`."""
    parts = f"draft {seconds(cycle.draft_seconds)}, check {seconds(cycle.verify_seconds)}"
    return f"depth {cycle.depth} · {seconds(cycle.seconds)}: {parts}"


def row(cycle: Cycle, before: str, width: int, height: int, mark: int | None = None) -> list[Content]:
    """The cells in at most `height` lines: the tokens; from 3 lines on their chances; from 4 on what became of them.

    `before` is what stood in front of them. `mark` points at one of the emitted tokens, in a line of its own.
    """
    cells = [_drafted(cycle, position) for position in range(len(cycle.drafted))]
    for own in cycle.emitted[cycle.accepted :]:
        word = OWN.get(own.origin, "")
        p = f"p {chance(own.p)}" if own.p is not None else ""
        cells.append((f"{GLYPHS[own.origin]} {label(own.text)}", "", p, word, CELL_STYLES[own.origin]))
    if not cells:
        return []
    cell, context = _widths(len(cells), width)
    marker = 1 if mark is not None else 0
    wanted = [0]
    if cell >= CHANCES_FROM and height - marker >= 3:
        wanted += [1, 2]
    if cell >= 8 and height - marker >= 4:
        wanted.append(3)
    lines = []
    for line in wanted:
        parts: list[Part] = [(_tail(before, context) + " ", "$muted") if line == 0 else " " * (context + 1)] * bool(
            context
        )
        for text, q, p, word, style in cells:
            shown = (text, q, p, word)[line]
            if line and cell < 7:
                shown = shown.removeprefix("q ").removeprefix("p ")
            parts += [
                (_centred(shown, cell) if line else fit(_short(shown, cell), cell, "center"), _line_style(style, line)),
                " ",
            ]
        lines.append(Content.assemble(*parts))
    if mark is not None and height > 1:
        at = (context + 1 if context else 0) + _column(cycle, mark) * (cell + 1)
        lines.append(Content.assemble(" " * at, (fit("▲", cell, "center"), "bold $accent")))
    return [line.truncate(width) for line in lines[:height]]


def _column(cycle: Cycle, place: int) -> int:
    """The cell of an emitted token: the target's own stands behind all that was drafted."""
    return place if place < cycle.accepted else len(cycle.drafted) + place - cycle.accepted


def _drafted(cycle: Cycle, position: int) -> tuple[str, str, str, str, str]:
    token: Drafted = cycle.drafted[position]
    kind = "draft" if token.kept else "rejected"
    # Where the reply ended among the kept ones, what follows was not judged either.
    ended = all(emitted.origin == "draft" for emitted in cycle.emitted)
    dropped = not token.kept and (position > cycle.accepted or ended)
    word = "kept" if token.kept else "dropped" if dropped else "rejected"
    style = CELL_STYLES["dropped" if dropped else kind]
    return f"{GLYPHS[kind]} {label(token.text)}", f"q {chance(token.q)}", f"p {chance(token.p)}", word, style


def _line_style(style: str, line: int) -> str:
    """Only the token itself is struck or underlined."""
    if line == 0:
        return style
    return " ".join(word for word in style.split() if word not in ("strike", "underline", "bold", "italic"))


def _widths(cells: int, width: int) -> tuple[int, int]:
    """Of a cell, and of what stands before the first one; none where there is no room for it."""
    context = min(CONTEXT, width // 5)
    cell = min(WIDEST, (width - context - 1) // cells - 1)
    if cell < 7:
        context, cell = 0, min(WIDEST, width // cells - 1)
    return max(1, cell), context


def _short(text: str, width: int) -> str:
    if width < TEXT_FROM:
        return text[:1]
    return text if cell_len(text) <= width else text.replace(" ", "", 1)


def _centred(text: str, width: int) -> str:
    return fit(text, width, "center") if cell_len(text) <= width else " " * width


def _tail(text: str, width: int) -> str:
    """The end of a text, to the right of its room."""
    text = " ".join(safe(text).replace("\n", " ⏎ ").split())
    if cell_len(text) > width:
        while text and cell_len(text) > width - 1:
            text = text[1:]
        text = "…" + text
    return fit(text, width, "right")
