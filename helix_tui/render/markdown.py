"""A finished reply's Markdown as lines of styled text.

The text is a stranger's: HTML stays text, nothing can be clicked, and a link's address is shown behind its words.
Line breaks stay line breaks, so that prose is as tall as it was while it streamed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.cells import cell_len

from .code import highlighted
from .flow import Line, Run, joined, wrap
from .table import table
from .text import fit, safe

if TYPE_CHECKING:
    from markdown_it.token import Token
    from markdown_it.tree import SyntaxTreeNode

LONGEST = 40_000
BRACKETS = 2_000
"""A reply with more characters or `[` stays as it streamed: finding links takes time that grows with their square."""
DEEPEST = 19
"""Levels of lists and quotes in each other; what lies deeper would be left out."""
NARROWEST = 12
"""Cells below which the frames of lists, quotes and tables would leave no room for words."""
BULLETS = "•◦▪"
GROUND = " on $code-ground"
HEADINGS = ("bold underline $accent", "bold $accent", "bold")


def parse(text: str) -> list[Token]:
    """CommonMark with tables and strikethrough, and without HTML."""
    # Here and not above: the first picture does not wait for a Markdown parser.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).parse(text)


class Markdown:
    """A page of it: laid out when its width is known, and again when that changes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.width = 0
        self.lines: list[Line] = []

    def resize(self, width: int) -> bool:
        """Lay it out for a width; False when it is the same."""
        if width == self.width:
            return False
        self.width = width
        self.lines = markdown(self.text, width)
        return True


def readable(text: str) -> bool:
    """Whether it is short enough to be laid out at once."""
    return len(text) <= LONGEST and text.count("[") <= BRACKETS


def markdown(text: str, width: int) -> list[Line]:
    """Lines of at most `width` cells; the kind of a run is its style."""
    from markdown_it.tree import SyntaxTreeNode

    text = joined(safe(text))
    tokens = parse(text) if width >= NARROWEST else []
    if not tokens or max(token.level for token in tokens) >= DEEPEST:
        return wrap([(text, "")], width)
    return _blocks(SyntaxTreeNode(tokens).children, width, "") or [Line()]


def _blocks(
    nodes: Iterable[SyntaxTreeNode], width: int, style: str, *, tight: bool = False, level: int = 0
) -> list[Line]:
    lines: list[Line] = []
    for node in nodes:
        if lines and not tight:
            lines.append(Line())
        lines += _block(node, width, style, level)
    return lines


def _block(node: SyntaxTreeNode, width: int, style: str, level: int) -> list[Line]:
    if node.type == "heading":
        depth = int(node.tag[1:])
        return wrap(_inline(node, HEADINGS[min(depth, len(HEADINGS)) - 1]), width)
    if node.type in ("bullet_list", "ordered_list"):
        return _list(node, width, style, level)
    if node.type == "blockquote":
        inner = _blocks(node.children, max(1, width - 2), "italic $muted", level=level)
        return _beside(inner, ("▎ ", "$accent-dim"), ("▎ ", "$accent-dim"))
    if node.type in ("fence", "code_block"):
        return _code(node.content, node.info, width)
    if node.type == "hr":
        return [Line([("─" * width, "$line")], width)]
    if node.type == "table":
        rows = [[_inline(cell, style) for cell in row.children] for part in node.children for row in part.children]
        aligns = [str(cell.attrs.get("style", "")).rpartition(":")[2] for cell in node.children[0].children[0].children]
        return table(rows, aligns, width)
    return wrap(_inline(node, style), width)


def _list(node: SyntaxTreeNode, width: int, style: str, level: int) -> list[Line]:
    first = int(node.attrs.get("start", 1))
    tight = all(child.hidden for item in node.children for child in item.children if child.type == "paragraph")
    room = len(str(first + len(node.children) - 1)) + 2
    lines: list[Line] = []
    for number, item in enumerate(node.children, first):
        mark = f"{number}. ".rjust(room) if node.type == "ordered_list" else f"{BULLETS[level % len(BULLETS)]} "
        if lines and not tight:
            lines.append(Line())
        inner = _blocks(item.children, max(1, width - len(mark)), style, tight=tight, level=level + 1) or [Line()]
        lines += _beside(inner, (mark, "$accent"), (" " * len(mark), ""))
    return lines


def _code(code: str, info: str, width: int) -> list[Line]:
    """On a ground of its own; the language stands where the fence's first line was, and nothing where its last was."""
    language = safe(info).split()[0] if info.strip() else ""
    lines = [_ground([(fit(language, width - 2, "right"), "$faint")], width)]
    for line in wrap(highlighted(code.rstrip("\n"), language), width - 2):
        lines.append(_ground(line.runs, width))
    return [*lines, _ground([], width)]


def _ground(runs: list[Run], width: int) -> Line:
    used = sum(cell_len(text) for text, _ in runs)
    padded = [(" ", ""), *runs, (" " * max(0, width - 1 - used), "")]
    return Line([(text, style + GROUND) for text, style in padded], max(width, used + 1))


def _beside(lines: list[Line], first: Run, rest: Run) -> list[Line]:
    """The lines with a mark before the first and another before the others."""
    return [
        Line([first if n == 0 else rest, *line.runs], line.cells + cell_len(first[0])) for n, line in enumerate(lines)
    ]


def _inline(node: SyntaxTreeNode, style: str) -> list[Run]:
    """The words of a paragraph, heading or cell."""
    runs: list[Run] = []
    for child in node.children:
        runs += _words(child, style)
    return runs


def _words(node: SyntaxTreeNode, style: str) -> list[Run]:
    if node.type in ("inline", "em", "strong", "s"):
        also = {"em": " italic", "strong": " bold", "s": " strike"}.get(node.type, "")
        return _inline(node, style + also)
    if node.type == "code_inline":
        return [(safe(node.content), "$code-inline" + GROUND)]
    if node.type in ("softbreak", "hardbreak"):
        return [("\n", style)]
    if node.type == "link":
        return _link(_inline(node, style + " underline $link"), str(node.attrs.get("href", "")))
    if node.type == "image":
        return _link([(f"[image: {safe(node.content)}]", style)], str(node.attrs.get("src", "")))
    return [(joined(safe(node.content)), style)]


def _link(words: list[Run], address: str) -> list[Run]:
    address = safe(address)
    said = "".join(text for text, _ in words)
    return words if address in ("", said, f"mailto:{said}") else [*words, (f" ({address})", "$muted")]
