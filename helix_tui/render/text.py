"""Text from anywhere made safe to draw, and fitted to cells."""

from __future__ import annotations

from rich.cells import cell_len, split_graphemes

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_PICTURES.pop(0x0A)
# C1 controls, lone surrogates' stand-ins and everything that reorders what surrounds it.
_REPLACED = dict.fromkeys(
    [*range(0x80, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF], "\ufffd"
)
_TABLE = _PICTURES | _REPLACED | dict.fromkeys(range(0xD800, 0xE000), "\ufffd") | {0x09: "    "}
_VISIBLE = {"\n": "⏎", "\t": "⇥", " ": "␣"}


def safe(text: str) -> str:
    """The text with control characters shown as pictures (`␛` for escape); only line feeds stay what they are."""
    if text.isascii() and text.replace("\n", " ").isprintable():
        return text
    return text.replace("\r\n", "\n").translate(_TABLE)


def label(text: str) -> str:
    """A token on one line: surrounding space goes, but a token that is nothing else stays visible."""
    if not text:
        return "∅"
    if not text.strip():
        return "".join(_VISIBLE.get(c, safe(c)) for c in text)
    return safe(" ".join(text.split())).replace("\n", "⏎")


def fit(text: str, width: int, align: str = "left") -> str:
    """The text in exactly `width` cells, cut with an ellipsis or padded with spaces."""
    if width <= 0:
        return ""
    used = cell_len(text)
    if used > width:
        text, used = _cut(text, width - 1)
        text, used = text + "…", used + 1
    pad = width - used
    if align == "right":
        return " " * pad + text
    if align == "center":
        return " " * (pad // 2) + text + " " * (pad - pad // 2)
    return text + " " * pad


def _cut(text: str, width: int) -> tuple[str, int]:
    """The longest start of whole characters within `width` cells, and its width."""
    used = end = 0
    for _start, stop, cells in split_graphemes(text)[0]:
        if used + cells > width:
            break
        used, end = used + cells, stop
    return text[:end], used
