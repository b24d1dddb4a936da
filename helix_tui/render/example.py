"""A round in one sentence, and the facts of it that a lesson can point at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.events import Blocks, Cycle, Drafted, Emitted

from .text import fit, safe
from .units import count, seconds

LONGEST = 48
"""Cells of a quotation."""
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight")

MADE_UP = Cycle(
    request=0,
    index=0,
    depth=4,
    drafted=(
        Drafted(0, " the", 0.61, 0.72, True),
        Drafted(1, " sky", 0.48, 0.55, True),
        Drafted(2, " was", 0.41, 0.09, False),
        Drafted(3, " dark", 0.30, 0.02, False),
    ),
    accepted=2,
    emitted=(Emitted(0, " the", "draft"), Emitted(1, " sky", "draft"), Emitted(2, " is", "correction")),
    draft_seconds=0.0032,
    verify_seconds=0.0068,
    seconds=0.0104,
    blocks=Blocks(table=((2, 3), (9, 4)), length=101, shared=3, cached=((5, 2),), free=247, total=256),
    peak_blocks=7,
)
"""What is shown before anything has run. It is labelled as such."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who is who in a telling."""

    draft: str = "the draft"
    target: str = "the target"
    says: str = "wrote"


def quote(texts: Sequence[str]) -> str:
    """`“the sky is”`: tokens as running text on one line."""
    words = " ".join(safe("".join(texts)).split())
    if words:
        return f"“{fit(words, LONGEST).rstrip()}”"
    text = "".join(texts)
    # The end of a reply and half a character have no text.
    return "a token without text" if not text else "a line break" if "\n" in text else "a space"


def number(value: int) -> str:
    """In words up to eight."""
    return NUMBERS[value] if value < len(NUMBERS) else str(value)


def story(cycle: Cycle, cast: Cast) -> str:
    """`the draft guessed “the sky was”, the target kept two and wrote “is” itself`, without a full stop."""
    own = [token for token in cycle.emitted if token.origin != "draft"]
    said = quote([token.text for token in own])
    if not cycle.drafted:
        return f"{cast.target} {cast.says} {said} by itself, and nobody guessed" if own else "nothing was written"
    guessed = f"{cast.draft} guessed {quote([token.text for token in cycle.drafted])}"
    total, kept = len(cycle.drafted), cycle.accepted
    if kept == total:
        how = "kept it" if total == 1 else "kept both" if total == 2 else f"kept all {number(total)}"
        return f"{guessed}, {cast.target} {how}" + (f" and added {said}, which came free" if own else "")
    how = "refused it" if total == 1 else f"kept {number(kept)}"
    return f"{guessed}, {cast.target} {how}" + (f" and {cast.says} {said} itself" if own else "")


def refusal(cycle: Cycle) -> str:
    """About the first token that was not kept: `“was” had q 0.41 and p 0.09`; empty where there is none."""
    fallen = next((token for token in cycle.drafted[cycle.accepted :]), None)
    return "" if fallen is None else f"{quote([fallen.text])} had q {fallen.q:.2f} and p {fallen.p:.2f}"


def times(cycle: Cycle) -> str:
    """`drafting took 3 ms, checking 7 ms`."""
    if not cycle.drafted:
        return f"it took {seconds(cycle.verify_seconds)}"
    return f"drafting took {seconds(cycle.draft_seconds)}, checking {seconds(cycle.verify_seconds)}"


def held(blocks: Blocks) -> int:
    return sum(length for _, length in blocks.table)


def table(blocks: Blocks) -> str:
    """`2–4, 9–12`: physical blocks in logical order."""
    runs = [str(first) if length == 1 else f"{first}–{first + length - 1}" for first, length in blocks.table]
    return fit(", ".join(runs), LONGEST).rstrip() or "empty"


def given_back(cycle: Cycle) -> str:
    """What became of the blocks that guesses needed."""
    back = max(0, cycle.peak_blocks - held(cycle.blocks))
    return f"{count(back, 'block')} went back with the guesses that fell" if back else "no block had to be given back"
