"""The top line: who is loaded, on what, and how full the context is."""

from __future__ import annotations

from dataclasses import replace

from textual.content import Content

from engine.events import Loaded, ModelInfo

from .bars import bar
from .text import fit, safe
from .units import count, millions

GAUGE = 12
NEARLY = 0.9
"""From this share of the context on it is worth saying what comes."""


def top_bar(
    loaded: Loaded | None,
    tokens: int,
    width: int,
    *,
    replay: str | None = None,
    held: bool = False,
    rate: float = 1.0,
    recording: bool = False,
) -> Content:
    """` helix  target ⇠ draft  device · dtype        context ████░░ 312 / 2,048`, less of it when narrow."""
    left = Content.assemble((" helix ", "bold $accent"), marks(replay, held, rate, recording))
    right = gauge(loaded.context, tokens, width) if loaded is not None and loaded.context else Content("")
    if loaded is not None:
        for detail in (2, 1, 0):
            said = Content.assemble(left, " ", models(loaded, detail))
            if said.cell_length + right.cell_length + 2 <= width:
                left = said
                break
    gap = width - left.cell_length - right.cell_length
    if gap < 1:
        return left.truncate(width)
    return Content.assemble(left, " " * gap, right)


def marks(replay: str | None, held: bool, rate: float, recording: bool) -> Content:
    """What has to be said whatever the room: that this is a replay, and that it is being recorded."""
    parts: list[str | tuple[str, str]] = []
    if replay is not None:
        of = f" of {safe(replay)}" if replay else ""
        pace = f" at {rate:g}×" if rate != 1 else ""
        parts += [(f" {'PAUSED' if held else 'REPLAY'}{of}{pace} ", "bold $replay-text on $replay"), " "]
    elif held:
        parts += [(" HELD ", "bold $replay-text on $replay"), " "]
    if recording:
        parts += [(" ● REC ", "bold $rejected on $rejected-wash"), " "]
    return Content.assemble(*parts)


def stage_bar(
    loaded: Loaded | None, width: int, *, replay: bool, held: bool = False, rate: float = 1.0, recording: bool = False
) -> Content:
    """The line for an audience: sizes, but no names."""
    line = Content.assemble((" helix ", "bold $accent"), marks("" if replay else None, held, rate, recording))
    if loaded is not None:
        sizes = millions(loaded.target.parameters)
        if loaded.draft is not None:
            sizes += f" ⇠ {millions(loaded.draft.parameters)}"
        line = Content.assemble(line, " ", (f"{sizes}  on {loaded.device}", "$muted"))
    return line.truncate(width)


def models(loaded: Loaded, detail: int) -> Content:
    """The pair; with `detail` 1 also the device, with 2 sizes and dtype too."""
    parts: list[str | tuple[str, str]] = [(_name(loaded.target, detail), "$foreground")]
    if loaded.draft is not None:
        # The bundled pair has one name.
        draft = replace(loaded.draft, name="draft") if loaded.draft.name == loaded.target.name else loaded.draft
        parts += [(" ⇠ ", "$faint"), (_name(draft, detail), "$muted")]
    if detail:
        dtype = loaded.target.dtype if detail > 1 else ""
        place = " · ".join(filter(None, (safe(loaded.device), dtype)))
        parts.append((f"   {place}", "$muted"))
    return Content.assemble(*parts)


def _name(model: ModelInfo, detail: int) -> str:
    name = safe(model.name).rstrip("/").split("/")[-1]
    name = fit(name, min(len(name), 28))
    return f"{name} {millions(model.parameters)}" if detail > 1 and model.parameters else name


def gauge(context: int, tokens: int, width: int) -> Content:
    """`context ━━━━╺━━━ 312 / 2,048`; from `NEARLY` on in a warning colour and in words."""
    share = tokens / context if context else 0.0
    style = "$accent" if share < NEARLY else "$corrected" if share < 1 else "$rejected"
    figures = f" {tokens:,} / {context:,} "
    if width < 60:
        return Content.assemble((figures, style))
    name = ("context ", "$muted") if share < NEARLY else ("context full " if share >= 1 else "nearly full ", style)
    return Content.assemble(name, bar(share, GAUGE, style), (figures, "$muted" if share < NEARLY else style))


def fullness(context: int, tokens: int) -> str | None:
    """What a full context will mean, said while there is still room; None while there is enough."""
    if not context or tokens < NEARLY * context:
        return None
    left = max(0, context - tokens)
    return (
        f"The context is {tokens / context:.0%} full: {count(left, 'token')} left. A reply stops where it is "
        "full, and no further question fits. ctrl+n starts a new chat."
    )
