"""The swarm: a lane for each question, and what all of them do together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from textual.content import Content

from ..swarm import Member, Swarm
from .blocks import LETTERS, owner_style
from .digits import ROWS, fitting, large
from .flow import Flow
from .heading import heading, stack
from .origins import TEXT_STYLES
from .text import fit, label, safe
from .units import count, percent, rate

Told = Callable[[str], str]
LANE_WIDTH, LANE_HEIGHT = 32, 4
"""Narrower or lower than this a lane says little: rather fewer columns."""
ROOMY = 48
"""Cells of a lane below which its words are short."""
STATES = {
    "waiting": ("waits for a place", "$faint"),
    "reading": ("reading the question", "$muted"),
    "preempted": ("↺ the pool is full: gave its blocks back, goes on later", "$corrected"),
}
MARKS = {"waiting": "·", "reading": "…", "writing": "▶", "preempted": "↺", "done": "✓", "failed": "✗"}


def title(swarm: Swarm, width: int) -> Content:
    """`Swarm  8 questions at once`, and how many are done."""
    done = sum(member.state == "done" for member in swarm.members)
    left = Content.assemble(
        ("Swarm  ", "bold $accent"), (f"{len(swarm.members)} questions at once", "bold $foreground")
    )
    words = f"{done} of {len(swarm.members)} done"
    gap = width - left.cell_length - len(words)
    return left.truncate(width) if gap < 1 else Content.assemble(left, " " * gap, (words, "$muted"))


def columns(members: int, width: int, height: int) -> int:
    """So few that the lanes are wide, so many that they are not too low."""
    widest = max(1, width // LANE_WIDTH)
    for number in range(1, widest + 1):
        if height // -(-members // number) > LANE_HEIGHT:
            return number
    return widest


def lanes(swarm: Swarm, texts: Sequence[Flow], width: int, height: int, told: Told = str) -> Content:
    """All lanes as a grid in `width` by `height` cells; `texts` has what each has said.

    `told` is how an error is said.
    """
    across = columns(len(swarm.members), width, height)
    down = -(-len(swarm.members) // across)
    gap = 3
    cell = max(1, (width - gap * (across - 1)) // across)
    tall = max(1, height // down)
    lines: list[Content] = []
    for row in range(down):
        members = range(row * across, min(len(swarm.members), (row + 1) * across))
        drawn = [lane(swarm.members[i], texts[i], cell, tall, told) for i in members]
        for y in range(tall):
            lines.append(Content(" " * gap).join([_padded(part[y], cell) for part in drawn]))
    return stack(lines, width, height)


def lane(member: Member, text: Flow, width: int, height: int, told: Told = str) -> list[Content]:
    """`a ▶ What is a black hole? ─── 41 tokens/s` and under it the end of its text, in exactly `height` lines."""
    unit = "tokens/s" if width >= ROOMY else "tok/s"
    figure = f"{rate(member.rate)} {unit}" if member.rate is not None else ""
    letter, style = _letter(member)
    room = width - len(figure) - 6
    name = fit(safe(label(member.question)), room).rstrip() if room > 6 else ""
    rule = "─" * max(0, width - 6 - cell_len(name) - len(figure))
    head = Content.assemble(
        (letter, style), " ", (MARKS[member.state], style), " ", (name, "bold"), " ",
        (rule, "$line"), " ", (figure, "$foreground" if member.state == "writing" else "$muted"),
    )  # fmt: skip
    rows = max(0, height - 2) if height > 2 else height - 1
    body = _body(member, text, width, rows, told)
    lines = [head.truncate(width), *body]
    return lines + [Content("")] * (height - len(lines))


def _letter(member: Member) -> tuple[str, str]:
    """As in the KV map; a lane that holds no block is pale."""
    if member.seat is None:
        return " ", "$faint"
    letter = LETTERS[member.seat % len(LETTERS)]
    return letter, owner_style(member.seat) if member.state in ("reading", "writing") else "$muted"


def _body(member: Member, text: Flow, width: int, rows: int, told: Told) -> list[Content]:
    said: list[Content] = []
    if member.state == "failed":
        said = [Content.assemble((safe(told(member.error)), "$rejected")).truncate(width, ellipsis=True)]
    elif member.state in STATES:
        words, style = STATES[member.state]
        said = [Content.assemble((words, style)).truncate(width, ellipsis=True)]
    text.resize(width)
    shown = text.lines[max(0, len(text.lines) - max(0, rows - len(said))) :] if rows > len(said) else []
    lines = [Content.assemble(*((part, TEXT_STYLES.get(kind, "")) for part, kind in line.runs)) for line in shown]
    return [line.truncate(width) for line in [*lines, *said]][:rows]


def _padded(line: Content, width: int) -> Content:
    return Content.assemble(line, " " * max(0, width - line.cell_length))


def figures(swarm: Swarm, width: int, height: int) -> Content:
    """Tokens/s of all together in large figures, and what they shared."""
    speed = swarm.rate
    shown = rate(speed) if speed is not None else "–"
    each = speed / len(swarm.members) if speed is not None else None
    aside = [
        Content.assemble(("tokens/s", "$muted")),
        Content.assemble((count(swarm.tokens, "token"), "$foreground")),
        Content.assemble((f"{swarm.most} in one step" if swarm.most else "", "$muted")),
    ]
    more = [f"↺ {count(swarm.preemptions, 'preemption')}"] if swarm.preemptions else []
    if each is not None:
        more.append(f"{rate(each)} a lane")
    if swarm.acceptance is not None:
        more.append(f"{percent(swarm.acceptance)} accepted")
    foot = Content.assemble((" · ".join(more), "$corrected" if swarm.preemptions else "$muted"))
    head = heading("Together", "", width)
    if height < ROWS + 2:
        line = Content.assemble((shown, "bold $accent"), " ", aside[0], "  ", aside[1], "  ", foot)
        return stack([head, line] if height > 1 else [line], width, height)
    digits = large(shown, fitting("888.8", width - 3 - max(part.cell_length for part in aside), height - 2))
    room = max(0, width - cell_len(digits[0]) - 3)
    rows = []
    for row, drawn in enumerate(digits):
        beside = aside[row].truncate(room) if row < len(aside) else ""
        rows.append(Content.assemble((drawn, "bold $accent"), "   ", beside))
    return stack([head, *rows, foot], width, height)
