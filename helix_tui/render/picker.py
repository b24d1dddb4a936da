"""The model picker's words: its rows, and what is said of a pair before it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from .text import fit, safe
from .units import size

if TYPE_CHECKING:
    from engine import Estimate


def row(title: str, note: str, width: int) -> Content:
    """`title ........ note` in `width` cells."""
    note = safe(note)
    room = max(8, width - len(note) - 2)
    return Content.assemble((fit(safe(title), room), "$foreground"), "  ", (note, "$muted"))


def memory(estimate: Estimate) -> Content:
    """`Needs about 65 MB of 22.3 GB free on cpu`, what it is made of, and whether to fetch something first."""
    free = f" of {size(estimate.free)} free" if estimate.free else ""
    style = "$rejected" if estimate.fits is False else "$foreground"
    lines = [Content.assemble((f"Needs about {size(estimate.total)}{free} on {estimate.device}", style))]
    if estimate.fits is False:
        lines[0] = Content.assemble(lines[0], (": more than there is.", "bold $rejected"))
    parts = f"weights {size(estimate.weights)} in {estimate.dtype}, KV cache {size(estimate.kv)}, "
    lines.append(Content.assemble((parts + f"work {size(estimate.workspace)}", "$muted")))
    if estimate.download:
        lines.append(Content.assemble((f"Not here yet: about {size(estimate.download)} to download.", "$corrected")))
    return Content("\n").join(lines)
