"""Slow motion: the round that is held or looked back at, drawn large."""

from __future__ import annotations

from textual.content import Content

from ..journal import Journal
from .heading import heading, stack
from .round import happened, row, times

CELLS = 4
"""Lines of the row of cells."""


def panel(
    journal: Journal | None,
    looking: int | None,
    width: int,
    height: int,
    *,
    held: bool,
    running: bool = False,
    typing: bool = False,
) -> Content:
    """The newest round, or the one of index `looking`; the keys at the foot are those that help from here, which are
    others while the person is `typing`."""
    rounds = journal.rounds if journal is not None else []
    if journal is None or not rounds:
        words = "Held before the first round." if held else "There is no round yet."
        keys = _keys(False, held, running, typing)
        return stack([heading("Slow motion", "", width), Content(words), keys], width, height)
    at = len(rounds) - 1 if looking is None else min(looking, len(rounds) - 1)
    cycle = rounds[at]
    title = f"Held after round {at + 1}" if looking is None else f"Looking back at round {at + 1} of {len(rounds)}"
    said = Content.assemble((happened(cycle), "bold $foreground"))
    keys = _keys(looking is not None, held, running, typing)
    if height < 3:
        return stack([said, keys], width, height)
    lines = [heading(title, times(cycle), width)]
    air = [Content("")] if height >= 3 + CELLS + 2 else []
    room = height - len(lines) - 1 - 2 * len(air) - (1 if height > 5 else 0)
    lines += [*air, *row(cycle, journal.before(at), width, min(CELLS, room)), *air, said]
    if height > 5:
        lines.append(keys)
    return stack(lines, width, height)


def _keys(looking: bool, held: bool, running: bool, typing: bool) -> Content:
    on, next_, before = ("f10", "f11", "f12") if typing else ("space", ".", ",")
    keys = [(on, "goes on" if held else "closes"), (before, "the round before")]
    if looking or held:
        keys.insert(1, (next_, "the next round"))
    if running and held:
        keys.append(("esc", "stops the reply"))
    said = [Content.assemble((key, "bold $accent"), (f" {what}", "$muted")) for key, what in keys]
    return Content("   ").join(said)
