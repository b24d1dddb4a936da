"""How a token's origin looks: a colour of the theme, and a shape for those who see no colour."""

from __future__ import annotations

from textual.content import Content

GLYPHS = {"draft": "✓", "rejected": "✗", "correction": "→", "bonus": "★", "plain": "·"}
NAMES = {"draft": "accepted", "rejected": "rejected", "correction": "corrected", "bonus": "bonus", "plain": "plain"}
SHORT = {"draft": "kept", "rejected": "cut", "correction": "fixed", "bonus": "bonus", "plain": "plain"}

TEXT_STYLES = {
    "draft": "$accepted",
    "correction": "underline $corrected",
    "bonus": "italic $bonus",
    "plain": "$plain",
}
"""In running text: quiet enough to read."""

CELL_STYLES = {
    "draft": "$accepted on $accepted-wash",
    "rejected": "strike $rejected on $rejected-wash",
    "dropped": "strike $faint on $rejected-wash",
    "correction": "bold underline $corrected on $corrected-wash",
    "bonus": "bold italic $bonus on $bonus-wash",
    "plain": "$plain on $plain-wash",
}
"""In a round's cells. `dropped` stood behind a rejected token and was never judged on its own."""

GLYPH_STYLES = {
    "draft": "$accepted",
    "rejected": "$rejected",
    "correction": "$corrected",
    "bonus": "$bonus",
    "plain": "$plain",
}


def legend(width: int) -> Content:
    """The glyphs and what they mean, on one line: in short words where it is narrow, without any where it is too."""
    for names, gap in ((NAMES, "  "), (SHORT, " ")):
        entries = [
            Content.assemble((GLYPHS[kind], GLYPH_STYLES[kind]), (f" {names[kind]}", "$muted")) for kind in GLYPHS
        ]
        line = Content(gap).join(entries)
        if line.cell_length <= width:
            return line
    return Content(" ").join([Content.assemble((GLYPHS[kind], GLYPH_STYLES[kind])) for kind in GLYPHS])
