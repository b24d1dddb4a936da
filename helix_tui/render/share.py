"""The share card as SVG, 1200 by 630, and as Markdown."""

from __future__ import annotations

import math
import textwrap
from html import escape

from ..messages import Depth
from ..share import Facts
from .text import label, safe
from .units import count, millions, percent, rate

WIDTH, HEIGHT = 1200, 630
INK, FAINT, MUTED, BACK, LINE = "#d7dce6", "#59637a", "#8a94a6", "#0c1017", "#232b3a"
TEAL, BLUE, AMBER = "#4fd6be", "#9dbcff", "#f2c078"
_NO_XML = dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd")
SANS = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
MONO = "'JetBrains Mono', 'Cascadia Code', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def svg(facts: Facts) -> str:
    """The whole picture; every text in it is escaped."""
    style = f"text {{ font-family: {SANS}; fill: {INK}; }} .mono {{ font-family: {MONO}; }}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{escape(headline(facts), quote=True)}">',
        f"<style>{style}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{BACK}"/>',
        _strand(),
        _text(64, 84, "helix", 34, TEAL, weight=700),
        _text(WIDTH - 64, 84, f"{facts.when:%d %B %Y}".lstrip("0"), 22, MUTED, anchor="end"),
        *_figure(facts),
        *(_said(facts) if facts.question else _bars(facts)),
        *_stats(facts),
        f'<line x1="64" y1="540" x2="{WIDTH - 64}" y2="540" stroke="{LINE}" stroke-width="2"/>',
        _text(64, 578, _models(facts), 21, INK),
        _text(64, 608, " · ".join(facts.versions), 17, FAINT),
        _text(WIDTH - 64, 578, _place(facts), 21, MUTED, anchor="end"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def headline(facts: Facts) -> str:
    """The one sentence of the card; a loss is said as plainly as a win."""
    if facts.ratio is None:
        return f"{rate(facts.tokens_per_s)} tokens/s" if facts.tokens_per_s is not None else "nothing measured"
    if facts.ratio < 0.995:
        return f"speculation lost here: {facts.ratio:.2f}× baseline"
    return f"{facts.ratio:.2f}× as fast with speculative decoding"


def markdown(facts: Facts) -> str:
    """The same as a short page."""
    rows = [
        ("Model", _models(facts)),
        ("Device", _place(facts)),
        ("Depth", in_words(facts.depth)),
        ("Decoding", f"{rate(facts.tokens_per_s)} tokens/s" if facts.tokens_per_s is not None else ""),
        ("Baseline", f"{rate(facts.baseline)} tokens/s" if facts.baseline is not None else ""),
        ("Ratio", f"{facts.ratio:.2f}×" if facts.ratio is not None else ""),
        ("Acceptance", percent(facts.acceptance) if facts.acceptance is not None else ""),
        ("Tokens a round", f"{facts.mean_length:.2f}" if facts.mean_length is not None else ""),
        ("Output", sameness(facts)),
        ("Versions", ", ".join(facts.versions)),
        ("Date", f"{facts.when:%Y-%m-%d %H:%M}"),
    ]
    lines = [f"# {headline(facts)}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_cell(value)} |" for name, value in rows if value]
    if facts.question:
        lines += ["", *_quoted(facts.question), "", *safe(facts.reply).strip().splitlines()]
    return "\n".join([*lines, ""])


def sameness(facts: Facts) -> str:
    """What a race found out about the output."""
    if facts.identical is None:
        return ""
    if facts.identical:
        return f"identical with and without speculation ({count(facts.tokens, 'token')})"
    return "not identical with and without speculation"


def in_words(depth: Depth) -> str:
    return "adaptive" if depth == "auto" else f"{depth}" if depth else "0 (baseline)"


def _cell(text: str) -> str:
    """Text that stays in its cell of a Markdown table."""
    return label(text).replace("\\", "\\\\").replace("|", "\\|")


def _quoted(text: str) -> list[str]:
    return [f"> {line}" for line in safe(text).splitlines()]


def _models(facts: Facts) -> str:
    target, draft = facts.loaded.target, facts.loaded.draft
    names = f"{_name(target.name)} {millions(target.parameters)}".strip()
    return f"{names} ⇠ draft {millions(draft.parameters)}" if draft is not None else names


def _name(name: str) -> str:
    """Of a model: the last part, for a folder on somebody's disk says who they are."""
    last = label(name.replace("\\", "/")).rstrip("/").split("/")[-1]
    return textwrap.shorten(last, 40, placeholder="…")


def _place(facts: Facts) -> str:
    device = textwrap.shorten(label(facts.loaded.device_name), 40, placeholder="…")
    return f"{device} · {facts.loaded.target.dtype}"


def _text(
    x: float, y: float, words: str, size: int, fill: str, *, anchor: str = "start", weight: int = 400, kind: str = ""
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'class="{kind}" style="fill: {fill}">{escape(safe(words).translate(_NO_XML))}</text>'
    )


def _figure(facts: Facts) -> list[str]:
    """The large number and what it is."""
    if facts.ratio is not None:
        lost = facts.ratio < 0.995
        number, colour = f"{facts.ratio:.2f}×", AMBER if lost else TEAL
        words = "of baseline: speculation lost here" if lost else "as fast with speculative decoding"
    else:
        number = rate(facts.tokens_per_s) if facts.tokens_per_s is not None else "–"
        colour, words = TEAL, "tokens a second, decoding"
    parts = [_text(58, 246, number, 150, colour, weight=800), _text(64, 298, words, 30, INK)]
    if facts.identical:
        parts.append(_text(64, 338, f"✓ identical output, {count(facts.tokens, 'token')} compared", 22, TEAL))
    return parts


def _bars(facts: Facts) -> list[str]:
    """Both speeds on one scale."""
    if facts.baseline is None or facts.tokens_per_s is None or facts.ratio is None:
        return []
    most = max(facts.baseline, facts.baseline * facts.ratio)
    parts = []
    lanes = (("baseline", facts.baseline, INK), ("speculative", facts.baseline * facts.ratio, TEAL))
    for row, (name, value, colour) in enumerate(lanes):
        y = 186 + row * 84
        length = 420 * value / most
        parts += [
            _text(640, y - 14, name, 20, MUTED),
            f'<rect x="640" y="{y}" width="420" height="22" rx="4" fill="{LINE}"/>',
            f'<rect x="640" y="{y}" width="{length:.1f}" height="22" rx="4" fill="{colour}"/>',
            _text(1136, y + 18, rate(value), 22, colour, anchor="end", weight=700, kind="mono"),
        ]
    return parts


def _stats(facts: Facts) -> list[str]:
    """What the number came from, in a row."""
    stats = [
        (rate(facts.tokens_per_s) if facts.tokens_per_s is not None else "", "tokens/s"),
        (percent(facts.acceptance) if facts.acceptance is not None else "", "of drafts accepted"),
        (f"{facts.mean_length:.2f}" if facts.mean_length is not None else "", "tokens a round"),
        (in_words(facts.depth), "draft depth"),
    ]
    parts = []
    for column, (value, name) in enumerate(stat for stat in stats if stat[0]):
        x = 64 + column * 268
        parts += [_text(x, 456, value, 44, BLUE if column else INK, weight=700), _text(x, 492, name, 20, MUTED)]
    return parts


def _said(facts: Facts) -> list[str]:
    """Question and reply, cut to the room there is."""
    lines = [(line, INK) for line in textwrap.wrap(safe(facts.question), 46, max_lines=2, placeholder=" …")]
    lines += [(line, MUTED) for line in textwrap.wrap(safe(facts.reply), 46, max_lines=6, placeholder=" …")]
    return [_text(640, 150 + number * 28, line, 20, colour) for number, (line, colour) in enumerate(lines)]


def _strand() -> str:
    """A double helix, faint, behind everything."""
    paths = []
    for phase, colour in ((0.0, TEAL), (math.pi, BLUE)):
        points = [(x, 372 + 26 * math.sin(x / 62 + phase)) for x in range(0, WIDTH + 1, 12)]
        line = " ".join(f"{x},{y:.1f}" for x, y in points)
        paths.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="3" opacity="0.16"/>')
    return "".join(paths)
