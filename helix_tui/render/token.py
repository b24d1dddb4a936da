"""Where one token came from, in words and figures: what was drafted in its place, and by which rule it was judged."""

from __future__ import annotations

from textual.content import Content

from engine.events import Drafted, Rule

from ..journal import Journal, Traced
from .heading import heading, stack
from .origins import CELL_STYLES, GLYPHS, NAMES
from .round import chance, quoted, row, times

LOST = "Its rounds were not kept: this reply was reopened, and only its text and origins were."
WHY = {
    "draft": "the draft guessed it, and the target agreed",
    "correction": "the target's own word where it disagreed with the draft",
    "bonus": "every guess was right, and the same pass gave one more",
    "plain": "the target wrote it alone; nothing was drafted for it",
}

Part = str | tuple[str, str]


def panel(journal: Journal, number: int, width: int, height: int) -> Content:
    """The token of that number, in `width` by `height` cells: most telling lines first."""
    traced = journal.trace(number)
    cycle = traced.cycle
    figure = f"round {traced.round + 1} of {len(journal.rounds)} · place {traced.place + 1} of {len(cycle.emitted)}"
    lines = [heading(f"Token {number + 1:,} of {journal.tokens:,}", figure, width)] if height > 2 else []
    # What shows nothing, such as the end of the text, has at least a name where it was drafted.
    name = traced.token.text or (traced.draft.text if traced.draft and traced.token.origin == "draft" else "")
    lines.append(_who(name, traced.token.origin, f"id {traced.token.id}"))
    lines.append(_judged(traced, journal.rule_of(cycle)))
    if height > 6:
        lines.append(Content.assemble((f"{_drafter(traced)}{times(cycle)}", "$muted")))
    if height > 4:
        lines += row(cycle, journal.before(traced.round), width, height - len(lines), traced.place)
    return stack(lines, width, height)


def unknown(text: str, origin: str, number: int, count: int, width: int, height: int) -> Content:
    """The same for a reply that was reopened."""
    lines = [heading(f"Token {number + 1:,} of {count:,}", "", width)] if height > 2 else []
    return stack([*lines, _who(text, origin, ""), Content.assemble((LOST, "$muted"))], width, height)


def _who(text: str, origin: str, number: str) -> Content:
    """`✓ sky   id 1234   accepted: the draft guessed it, and the target agreed`."""
    parts: list[Part] = [(f" {GLYPHS.get(origin, ' ')} {quoted(text)} ", CELL_STYLES.get(origin, "$plain")), "  "]
    if number:
        parts += [(number, "$muted"), "  "]
    if origin in WHY:
        parts += [(f"{NAMES[origin]}: ", "bold $foreground"), (WHY[origin], "$foreground")]
    return Content.assemble(*parts)


def _judged(traced: Traced, rule: Rule | None) -> Content:
    """What stood against each other at this place, and what decided."""
    if traced.token.origin == "draft" and traced.draft is not None:
        return Content.assemble(
            _odds(traced.draft), "   ", (verdict(traced.draft, rule, len(traced.cycle.drafted)), "")
        )
    own: list[Part | Content] = []
    if traced.token.p is not None:
        own = [("target p ", "$muted"), (chance(traced.token.p), "bold"), "   "]
    if not traced.rejected:
        words = "bonus tokens are not judged" if traced.token.origin == "bonus" else "nothing was rejected here"
        return Content.assemble(*own, (words, "$muted"))
    first, *rest = traced.rejected
    parts: list[Part | Content] = [
        *own,
        ("rejected here: ", "$muted"),
        (quoted(first.text), "$rejected"),
        " ",
        _odds(first),
    ]
    if rest:
        dropped = ", ".join(quoted(token.text) for token in rest)
        parts += [("  and after it ", "$muted"), (dropped, "$rejected")]
    parts.append((f"   {verdict(first, rule, len(traced.cycle.drafted))}", ""))
    return Content.assemble(*parts)


def _odds(token: Drafted) -> Content:
    return Content.assemble(
        ("draft q ", "$muted"), (chance(token.q), "bold"), ("  target p ", "$muted"), (chance(token.p), "bold")
    )


def verdict(token: Drafted, rule: Rule | None, drafted: int) -> str:
    """The rule that was applied, with its figure where it has one (what p and q are: `Drafted`)."""
    alone = chance(min(1.0, token.p / token.q) if token.q > 0 else 1.0)
    if rule == "argmax":
        return "temperature 0: " + ("kept, " if token.kept else "rejected, not ") + "the target's likeliest"
    if rule == "token":
        return f"acceptance min(1, p/q) = {alone}"
    if rule == "block" and drafted > 1:
        return f"block verification judged all {drafted} together; alone: min(1, p/q) = {alone}"
    if rule == "block":
        return f"acceptance min(1, p/q) = {alone}"
    return f"min(1, p/q) = {alone}; the rule was not recorded"


def _drafter(traced: Traced) -> str:
    """Who drafted in its round."""
    return {"model": "drafted by the model · ", "ngram": "drafted by n-grams · "}.get(traced.cycle.drafter or "", "")
