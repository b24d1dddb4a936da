"""The KV map: every block of the pool, and all that is known of the one under the cursor."""

from __future__ import annotations

from textual.content import Content

from engine.events import Cycle, Loaded

from ..pool import Holding, Owner, Pool, numbers
from .blocks import CACHED, FLIGHT, HELD, LETTERS, SHARED, Cell, cells, legend, owner_style
from .heading import heading, stack
from .round import happened
from .text import fit, safe
from .units import count, size

CURSOR = "reverse bold"
STATES = {
    CACHED: "remembered: nobody holds it; its text is kept for the next prompt that begins with it",
    HELD: "in use",
}
FREE_WORDS = "free: never used, or given back"


def per_row(width: int) -> int:
    """Blocks in a line; there is a space behind each."""
    return max(1, width // 2)


def head(pool: Pool, width: int, *, held: bool = False, last: Cycle | None = None) -> Content:
    """What the map shows, what its shapes mean, and, while the reply is held, what its last round did."""
    total = pool.blocks.total if pool.blocks else 0
    flying = sum(1 for number in pool.in_flight if number not in pool.holders())
    said = f"{pool.used:,} of {count(total, 'block')} in use · {pool.remembered:,} remembered · {flying} in flight"
    lines = [heading("KV map", said, width), legend(pool, width)]
    if held:
        words = f"after round {last.index + 1}: {happened(last)}" if last is not None else "before the first round"
        lines.append(Content.assemble((" HELD ", "bold $replay-text on $replay"), f" {words}"))
    return stack(lines, width, 3)


def grid(pool: Pool, cursor: int, width: int, height: int) -> Content:
    """The rows of blocks around the cursor that fit."""
    every, row = cells(pool), per_row(width)
    rows = -(-len(every) // row)
    top = max(0, min(cursor // row - height // 2, rows - height))
    lines = [_row(every, start, row, cursor) for start in range(top * row, min(rows, top + height) * row, row)]
    return stack(lines, width, height)


def _row(every: list[Cell], start: int, length: int, cursor: int) -> Content:
    parts: list[str | tuple[str, str]] = []
    for number in range(start, min(start + length, len(every))):
        cell = every[number]
        parts += [(cell.glyph, f"{cell.style} {CURSOR}" if number == cursor else cell.style), " "]
    return Content.assemble(*parts)


def detail(pool: Pool, loaded: Loaded | None, cursor: int, width: int, height: int) -> Content:
    """The block under the cursor: who holds which tokens in it, how often it is held, and what it weighs."""
    every = cells(pool)
    if not every or pool.blocks is None:
        return Content("")
    cursor = min(cursor, len(every) - 1)
    held = pool.holders().get(cursor, [])
    lines = [heading(f"Physical block {cursor:,}", count(len(held), "reference"), width)]
    lines += _state(pool, every[cursor], cursor)
    for holding in held[: max(1, (height - 3) // 2)]:
        lines += _holding(holding, pool, width)
    if loaded is not None:
        parts = [f"{pool.blocks.size} tokens: {size(loaded.target_block_bytes)} in the target's pool"]
        if loaded.draft_block_bytes:
            parts.append(f"{size(loaded.draft_block_bytes)} for the same tokens in the draft's own")
        lines.append(Content.assemble((", ".join(parts), "$muted")))
    return stack(lines, width, height)


def _state(pool: Pool, cell: Cell, number: int) -> list[Content]:
    owner = pool.in_flight.get(number)
    if cell.state == FLIGHT and owner is not None:
        place = len(list(numbers(owner.blocks.table))) + list(numbers(owner.in_flight)).index(number)
        words = "in flight: held for drafted tokens in the last round, and given back by its rollback"
        would = f"it was logical block {place}, for tokens from {place * owner.blocks.size:,} on, of "
        return [_said(cell, words), Content.assemble(would, _name(owner, pool))]
    if cell.state == SHARED:
        sharing = len(pool.holders()[number])
        return [
            _said(cell, f"shared by {sharing} replies" if sharing > 1 else "reused: computed for an earlier prompt")
        ]
    return [_said(cell, STATES.get(cell.state, FREE_WORDS))]


def _said(cell: Cell, words: str) -> Content:
    return Content.assemble((cell.glyph, cell.style), f" {words}")


def _holding(holding: Holding, pool: Pool, width: int) -> list[Content]:
    """`logical block 4 of 7 of this reply: tokens 64–79 (16 of 16)`, and what those say."""
    owner, place = holding
    block = owner.blocks.size
    first, last = place * block, min((place + 1) * block, owner.blocks.length)
    blocks = sum(n for _, n in owner.blocks.table)
    where = Content.assemble(
        f"logical block {place} of {blocks}, of ", _name(owner, pool),
        f": tokens {first:,}–{last - 1:,} ({last - first} of {block})" if last > first else ": no token yet",
    )  # fmt: skip
    return [where, Content.assemble((fit(_text(owner, first, last), width), "$muted"))]


def _name(owner: Owner, pool: Pool) -> Content:
    """By its letter where there are several."""
    if not pool.several:
        return Content(f"this reply (request {owner.request})")
    letter = LETTERS[owner.seat % len(LETTERS)]
    return Content.assemble("reply ", (letter, owner_style(owner.seat)), f" (request {owner.request})")


def _text(owner: Owner, first: int, last: int) -> str:
    """The tokens from `first` to `last - 1`. What the prompt's tokens say no event tells, only how many there are."""
    prompt = min(last, owner.prompt_tokens) - first
    parts = [f"{count(prompt, 'token')} of the prompt"] if prompt > 0 else []
    said = owner.said[max(0, first - owner.prompt_tokens) : max(0, last - owner.prompt_tokens)]
    if said:
        parts.append("‘" + safe("".join(said)).replace("\n", "⏎") + "’")
    return "  " + ", then ".join(parts)
