"""The top line: who is loaded, on what, and how full the context is."""

from __future__ import annotations

from dataclasses import replace

from textual.content import Content

from engine.events import Loaded, ModelInfo

from .bars import bar
from .text import fit, safe
from .units import millions

GAUGE = 12


def top_bar(
    loaded: Loaded | None, tokens: int, width: int, *, replay: str | None = None, held: bool = False
) -> Content:
    """` helix  target ⇠ draft  device · dtype        context ████░░ 312 / 2,048`, less of it when narrow."""
    left = Content.assemble((" helix ", "bold $accent"))
    if replay is not None:
        name = "PAUSED" if held else "REPLAY"
        left = Content.assemble(left, (f" {name} of {safe(replay)} ", "bold $replay-text on $replay"), " ")
    right = gauge(loaded.context, tokens, width) if loaded is not None else Content("")
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


def models(loaded: Loaded, detail: int) -> Content:
    """The pair; with `detail` 1 also the device, with 2 sizes and dtype too."""
    parts: list[str | tuple[str, str]] = [(_name(loaded.target, detail), "$foreground")]
    if loaded.draft is not None:
        # The bundled pair has one name.
        draft = replace(loaded.draft, name="draft") if loaded.draft.name == loaded.target.name else loaded.draft
        parts += [(" ⇠ ", "$faint"), (_name(draft, detail), "$muted")]
    if detail:
        place = loaded.device if detail < 2 else f"{loaded.device} · {loaded.target.dtype}"
        parts.append((f"   {place}", "$muted"))
    return Content.assemble(*parts)


def _name(model: ModelInfo, detail: int) -> str:
    name = safe(model.name).rstrip("/").split("/")[-1]
    name = fit(name, min(len(name), 28))
    return f"{name} {millions(model.parameters)}" if detail > 1 else name


def gauge(context: int, tokens: int, width: int) -> Content:
    share = tokens / context if context else 0.0
    style = "$accent" if share < 0.8 else "$corrected" if share < 0.95 else "$rejected"
    text = f" {tokens:,} / {context:,} "
    if width < 60:
        return Content.assemble((text, style))
    return Content.assemble(("context ", "$muted"), bar(share, GAUGE, style), (text, "$muted"))
