"""Large figures, three rows high or a multiple of it, out of half blocks."""

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
_HALVES = {("#", "#"): "█", ("#", "."): "▀", (".", "#"): "▄", (".", "."): " ", (" ", " "): " "}


def large(text: str, scale: int = 1) -> list[str]:
    """The text in 3 * `scale` rows of equal width. Raises KeyError for a character the font lacks."""
    glyphs = [_PIXELS[c].split() for c in text]
    pixels = [(" " * scale).join(_row(glyph, row // scale, scale) for glyph in glyphs) for row in range(6 * scale)]
    halves = zip(pixels[::2], pixels[1::2], strict=True)
    return ["".join(_HALVES[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in halves]


def fitting(sample: str, width: int, rows: int) -> int:
    """The largest scale, from 1 to 3, at which a text like `sample` fits into `width` cells and `rows` rows."""
    return next((s for s in (3, 2) if ROWS * s <= rows and len(large(sample, s)[0]) <= width), 1)


def _row(glyph: list[str], row: int, scale: int) -> str:
    return "".join(pixel * scale for pixel in glyph[row])
