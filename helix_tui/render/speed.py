"""The Speed panel: tokens a second in large figures, its curve, and what speculation gained."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content

from ..speed import Speed
from .bars import sparkline
from .digits import ROWS, large
from .heading import heading, stack
from .units import rate, seconds

Part = str | tuple[str, str]


def panel(
    speed: Speed, width: int, height: int, *, has_draft: bool = True, compare: bool = True, drafting: bool = True
) -> Content:
    """Everything in `width` by `height` cells; the large figures need six lines. `drafting` is what comes next."""
    now = speed.now
    figure = f"first token {seconds(speed.ttft)}" if speed.ttft is not None else ""
    if not figure and speed.prompt_seconds is not None:
        figure = f"prompt {seconds(speed.prompt_seconds)}"
    lines = [heading("Speed", figure, width)]
    shown = rate(now) if now is not None else "–"
    verdict = gain(speed, has_draft=has_draft, compare=compare, drafting=drafting)
    if height >= 6:
        digits = large(shown)
        room = max(0, width - cell_len(digits[0]) - 3)
        aside = [Content.assemble(("tokens/s", "$muted")), _means(speed), verdict]
        for row in range(ROWS):
            lines.append(Content.assemble((digits[row], "bold $accent"), "   ", aside[row].truncate(room)))
        lines += [Content("")] * (height - len(lines) - 2)
        lines += _curve(speed, width, height - len(lines))
    else:
        text = f"{shown} tokens/s"
        curve = sparkline(list(speed.curve), max(0, width - len(text) - 2))[0]
        lines.append(Content.assemble((shown, "bold $accent"), (" tokens/s  ", "$muted"), (curve, "$accent-dim")))
        lines.append(verdict.truncate(width, ellipsis=True))
    return stack(lines, width, height)


def gain(speed: Speed, *, has_draft: bool = True, compare: bool = True, drafting: bool = True) -> Content:
    """`1.42× baseline`, said plainly when it is a loss, or how to get to know it where one can `compare`."""
    ratio = speed.ratio
    if ratio is None:
        if not compare:
            return Content("")
        if not has_draft:
            return Content.assemble(("no draft to compare with", "$faint"))
        if speed.baseline is not None:
            return Content.assemble(("press b for speculation", "$faint"))
        if speed.speculative is not None:
            return Content.assemble(("press b for a baseline", "$faint"))
        return Content("")
    if ratio < 0.995:
        slower = "  slower: b goes back" if drafting else "  slower"
        return Content.assemble((f"{ratio:.2f}× baseline", "bold $corrected"), (slower, "$corrected"))
    return Content.assemble((f"{ratio:.2f}× baseline", "bold $accepted"))


def _means(speed: Speed) -> Content:
    """The two remembered medians."""
    parts: list[Part] = []
    if speed.speculative is not None:
        parts.append((f"speculative {rate(speed.speculative)}", "$muted"))
    if speed.baseline is not None:
        parts += ["  " if parts else "", (f"baseline {rate(speed.baseline)}", "$muted")]
    return Content.assemble(*parts)


def _curve(speed: Speed, width: int, rows: int) -> list[Content]:
    lines = sparkline(list(speed.curve), width, max(1, min(2, rows)))
    return [Content.assemble((line, "$accent-dim")) for line in lines]


def strip(speed: Speed, width: int) -> Content:
    """All of it on one line, for narrow terminals."""
    shown = rate(speed.now) if speed.now is not None else "–"
    parts: list[Part] = [(shown, "bold $accent"), (" tok/s", "$muted")]
    if speed.ratio is not None:
        parts += [
            ("  ", ""),
            (
                f"{speed.ratio:.2f}×{' baseline' if width >= 40 else ''}",
                "$accepted" if speed.ratio >= 0.995 else "$corrected",
            ),
        ]
    if speed.ttft is not None:
        parts.append((f"  first token {seconds(speed.ttft)}", "$muted"))
    line = Content.assemble(*parts)
    room = min(32, width - line.cell_length - 2)
    if room > 3:
        line = Content.assemble(line, "  ", (sparkline(list(speed.curve), room)[0], "$accent-dim"))
    return line.truncate(width)
