"""Large figures, three rows high, out of half blocks."""

from __future__ import annotations

ROWS = 3

_PIXELS = {
    "0": "#### #..# #..# #..# #..# ####",
    "1": "##. .#. .#. .#. .#. ###",
    "2": "#### ...# #### #... #... ####",
    "3": "#### ...# .### ...# ...# ####",
    "4": "#..# #..# #### ...# ...# ...#",
    "5": "#### #... #### ...# ...# ####",
    "6": "#### #... #### #..# #..# ####",
    "7": "#### ...# ...# ...# ...# ...#",
    "8": "#### #..# #### #..# #..# ####",
    "9": "#### #..# #### ...# ...# ####",
    ".": ". . . . . #",
    ",": ".. .. .. .. .# #.",
    "×": "... ... #.# .#. #.# ...",
    "–": "... ... ### ... ... ...",
}
"""Six rows of pixels a figure."""
_HALVES = {("#", "#"): "█", ("#", "."): "▀", (".", "#"): "▄", (".", "."): " "}


def large(text: str) -> list[str]:
    """The text in three rows of equal width. Raises KeyError for a character the font lacks."""
    glyphs = [_PIXELS[c].split() for c in text]
    return [" ".join(_row(glyph, row) for glyph in glyphs) for row in range(ROWS)]


def _row(glyph: list[str], row: int) -> str:
    return "".join(_HALVES[pair] for pair in zip(glyph[row * 2], glyph[row * 2 + 1], strict=True))
