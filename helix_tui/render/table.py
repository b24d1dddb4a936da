"""A table in as many cells as there are: columns share the width, words wrap in their column."""

from __future__ import annotations

from rich.cells import cell_len

from .flow import Line, Run, wrap

GAP = 3
"""Cells between two columns: ` │ `."""
NARROWEST = 4
CELLS = 2000
"""Cells of a table that is still laid out in columns."""
RULE = "$line"


def table(rows: list[list[list[Run]]], aligns: list[str], width: int) -> list[Line]:
    """Rows of cells of runs, the header first. Where columns have no room, each row becomes a list."""
    columns = len(rows[0]) if rows else 0
    wanted = [max((_cells(row[i]) for row in rows if i < len(row)), default=1) for i in range(columns)]
    if not columns or columns * len(rows) > CELLS or columns * (NARROWEST + GAP) - GAP > width:
        return _listed(rows, width)
    widths = shares(wanted, width - GAP * (columns - 1))
    lines = []
    for number, row in enumerate(rows):
        lines += _row([_bold(cell) for cell in row] if number == 0 else row, widths, aligns)
        if number == 0:
            rule = "─┼─".join("─" * w for w in widths)
            lines.append(Line([(rule, RULE)], len(rule)))
    return lines


def shares(wanted: list[int], room: int) -> list[int]:
    """Widths that add up to at most `room`: narrow columns get what they want, the wide ones share the rest."""
    widths = [0] * len(wanted)
    left = list(range(len(wanted)))
    while left:
        fair = max(1, room // len(left))
        fitting = [i for i in left if wanted[i] <= fair] or left[:1]
        for i in fitting:
            widths[i] = max(1, min(wanted[i], fair))
            room -= widths[i]
            left.remove(i)
    return widths


def _row(cells: list[list[Run]], widths: list[int], aligns: list[str]) -> list[Line]:
    wrapped = [list(map(_trimmed, wrap(cell, width))) for cell, width in zip(cells, widths, strict=False)]
    lines = []
    for at in range(max(map(len, wrapped))):
        runs: list[Run] = []
        for i, width in enumerate(widths):
            line = wrapped[i][at] if i < len(wrapped) and at < len(wrapped[i]) else Line()
            space = max(0, width - line.cells)
            before = {"right": space, "center": space // 2}.get(aligns[i] if i < len(aligns) else "", 0)
            runs += [(" │ ", RULE)] if i else []
            runs += [(" " * before, ""), *line.runs, (" " * (space - before), "")]
        lines.append(Line(runs, sum(cell_len(text) for text, _ in runs)))
    return lines


def _trimmed(line: Line) -> Line:
    """Without the spaces that may hang over the edge."""
    if not line.text.endswith(" "):
        return line
    *runs, (text, style) = line.runs
    kept = text.rstrip(" ")
    trimmed = Line([*runs, (kept, style)] if kept else runs, line.cells - len(text) + len(kept))
    return trimmed if kept else _trimmed(trimmed)


def _listed(rows: list[list[list[Run]]], width: int) -> list[Line]:
    """`name: value` lines, a blank line between rows."""
    if not rows:
        return []
    head, *body = rows
    lines: list[Line] = []
    for row in body or [head]:
        if lines:
            lines.append(Line())
        for name, cell in zip(head, row, strict=False):
            words = [*_bold(name), (": ", "$muted"), *cell] if body else _bold(cell)
            lines += wrap(words, width)
    return lines


def _bold(cell: list[Run]) -> list[Run]:
    return [(text, f"bold {style}".strip()) for text, style in cell]


def _cells(cell: list[Run]) -> int:
    """Of its longest line."""
    text = "".join(part for part, _ in cell)
    return max(cell_len(line) for line in text.split("\n"))
