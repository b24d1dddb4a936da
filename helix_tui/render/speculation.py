"""The Speculation panel: the last rounds as rows of cells, and how often each position was kept."""

from __future__ import annotations

from textual.content import Content

from engine.events import Cycle

from ..best_depth import Estimate
from ..figures import Speculating
from ..messages import Depth
from .bars import bar, column
from .heading import heading, stack
from .origins import CELL_STYLES, GLYPHS, legend
from .text import fit, label, safe
from .units import count, percent

WIDEST = 11
TEXT_FROM = 4
"""Cells narrower than this show the glyph only."""
NUMBER = 5

Part = str | tuple[str, str]


def panel(
    figures: Speculating,
    depth: Depth,
    width: int,
    height: int,
    *,
    has_draft: bool = True,
    loaded: bool = True,
    best: Estimate | None = None,
) -> Content:
    """Everything in `width` by `height` cells."""
    figure = mode(depth, figures) if has_draft else "no draft model"
    lines = [heading("Speculation", figure, width, "$muted" if depth == 0 or not has_draft else "$foreground")]
    if not figures.cycles:
        return stack([*lines, *_waiting(depth, has_draft, loaded, width)], width, height)
    columns = _columns(figures)
    cell = cell_width(columns, width)
    foot = _foot(figures, columns, cell, width, height, best)
    rows = max(1, height - len(lines) - len(foot))
    shown = list(figures.rounds)[-rows:]
    lines += [round_row(cycle, columns, cell) for cycle in shown]
    lines += [Content("")] * (rows - len(shown))
    return stack(lines + foot, width, height)


def mode(depth: Depth, figures: Speculating) -> str:
    """`depth 4`, `baseline`, or `adaptive: depth 3` with the depth of the last round."""
    if depth == "auto":
        return f"adaptive: depth {figures.rounds[-1].depth}" if figures.rounds else "adaptive"
    return f"depth {depth}" if depth else "baseline"


def _columns(figures: Speculating) -> int:
    """Columns of drafted tokens: the deepest round that is remembered."""
    return max((len(cycle.drafted) for cycle in figures.rounds), default=0)


def cell_width(columns: int, width: int) -> int:
    """Cells for one token, so that `columns` drafted ones and the target's own fit into a row."""
    return max(2, min(WIDEST, (width - NUMBER - columns) // (columns + 1)))


def round_row(cycle: Cycle, columns: int, cell: int) -> Content:
    """`12 ✓the ✓cat ✗dog ✗ran →sat`: what was drafted, and last what the target added itself."""
    parts: list[Part] = [(f"{cycle.index + 1:>{NUMBER - 1}} ", "$faint")]
    for position in range(columns):
        if position >= len(cycle.drafted):
            parts.append(" " * (cell + 1))
            continue
        token = cycle.drafted[position]
        kind = "draft" if token.kept else "rejected"
        style = "dropped" if not token.kept and position > cycle.accepted else kind
        parts += [(_cell(GLYPHS[kind], token.text, cell), CELL_STYLES[style]), " "]
    for own in cycle.emitted:
        if own.origin != "draft":
            parts.append((_cell(GLYPHS[own.origin], own.text, cell), CELL_STYLES[own.origin]))
    return Content.assemble(*parts)


def _cell(glyph: str, text: str, width: int) -> str:
    if width < TEXT_FROM:
        return fit(glyph, width)
    return fit(f"{glyph}{label(text)}", width)


def _foot(
    figures: Speculating, columns: int, cell: int, width: int, height: int, best: Estimate | None
) -> list[Content]:
    lines = []
    if columns and height >= 6:
        lines += _positions(figures, columns, cell, tall=height >= 16, best=best.depth if best else 0)
    parts: list[Part] = [(percent(figures.acceptance), "bold $foreground"), (" accepted", "$muted")]
    if figures.mean_length is not None:
        parts += [("   ", ""), (f"{figures.mean_length:.2f}", "bold $foreground"), (" tokens a round", "$muted")]
    rounds = f"{figures.cycles:,} rounds"
    text = Content.assemble(*parts)
    if text.cell_length + len(rounds) + 3 <= width:
        text = Content.assemble(text, " " * (width - text.cell_length - len(rounds)), (rounds, "$faint"))
    lines.append(text)
    reason = figures.rounds[-1].reason
    if reason and height >= 8:
        lines.append(Content.assemble((fit(safe(reason), width), "$muted")))
    if best is not None and height >= 10:
        lines.append(Content.assemble((fit(advice(best), width), "$muted")))
    if height >= 9:
        lines.append(legend(width))
    if height >= 14:
        lines.insert(0, Content(""))
    return lines


def advice(best: Estimate) -> str:
    """`best depth ≈ 3, 1.42× plain (estimate, 64 rounds)`."""
    basis = f"(estimate, {count(best.rounds, 'round')})"
    if not best.depth:
        return f"best depth ≈ 0: drafting does not pay {basis}"
    more = " or more" if best.depth == best.deepest else ""
    return f"best depth ≈ {best.depth}{more}, {best.gain:.2f}× plain {basis}"


def _positions(figures: Speculating, columns: int, cell: int, *, tall: bool, best: int) -> list[Content]:
    """Under each column, how often its token was kept: a bar, and the figure where it fits; ▲ marks the best depth."""
    shares = figures.by_position[:columns]
    bars: list[Content | Part] = [(fit("kept", NUMBER - 1) + " ", "$faint")]
    texts: list[Part] = [" " * NUMBER]
    for position, share in enumerate(shares, 1):
        mark = "▲" if position == best else ""
        if cell >= TEXT_FROM:
            bars += [bar(share, cell, "$accent"), " "]
        else:
            bars += [(fit(column(share) + mark, cell), "$accent"), " "]
        said = percent(share).replace(" ", "") if cell < 7 else percent(share)
        texts += [(fit(mark + said, cell), "bold $accent" if mark else "$muted"), " "]
    lines = [Content.assemble(*bars)]
    if cell >= TEXT_FROM and tall:
        lines.append(Content.assemble(*texts))
    return lines


def _waiting(depth: Depth, has_draft: bool, loaded: bool, width: int) -> list[Content]:
    if not loaded:
        return []
    if not has_draft:
        text = "The target writes every token itself: no draft model is loaded."
    elif depth == 0:
        text = "Baseline: the target will write every token itself."
    else:
        guesses = "as many as pay" if depth == "auto" else depth
        text = f"Each round the draft guesses {guesses}, and the target checks them all at once."
    return [Content(""), *Content(text).stylize("$muted").wrap(max(1, width))]


def strip(
    figures: Speculating, depth: Depth, width: int, *, has_draft: bool = True, best: Estimate | None = None
) -> Content:
    """All of it on one line, for narrow terminals; the controller's reason before the rounds."""
    name = mode(depth, figures) if has_draft else "no draft"
    parts: list[Part] = [(name, "bold $accent")]
    if figures.cycles:
        reason = safe(figures.rounds[-1].reason) if depth == "auto" else ""
        aside = f"  {reason}" if reason else f"  best ≈ {best.depth}" if best is not None else ""
        if len(name) + len(aside) + 12 <= width:
            parts.append((aside, "$muted"))
    used = sum(len(part[0]) for part in parts)
    if figures.cycles:
        tail = f"  {percent(figures.acceptance)} kept  {figures.mean_length or 1:.2f}/round"
        rounds: list[list[Part]] = []
        room = width - used - len(tail) - 2
        for cycle in reversed(figures.rounds):
            glyphs = _glyphs(cycle)
            if len(glyphs) + 1 > room:
                break
            room -= len(glyphs) + 1
            rounds.append([*glyphs, " "])
        parts.append("  ")
        for glyphs in reversed(rounds):
            parts += glyphs
        line = Content.assemble(*parts)
        gap = width - line.cell_length - len(tail)
        return Content.assemble(line, " " * gap, (tail, "$muted")) if gap >= 0 else line.truncate(width)
    return Content.assemble(*parts).truncate(width)


def _glyphs(cycle: Cycle) -> list[Part]:
    parts: list[Part] = []
    for token in cycle.drafted:
        kind = "draft" if token.kept else "rejected"
        parts.append((GLYPHS[kind], CELL_STYLES[kind]))
    parts += [(GLYPHS[t.origin], CELL_STYLES[t.origin]) for t in cycle.emitted if t.origin != "draft"]
    return parts
