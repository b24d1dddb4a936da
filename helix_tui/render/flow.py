"""Streaming text wrapped as it comes: what was wrapped stays, only the last line is laid out again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from rich.cells import split_graphemes

from .text import safe

_WORD = re.compile(r"[^ ]+ *| +")
_STRAY = re.compile(r"(?<=\s)[\u200d\ufe0f]+")

Run = tuple[str, str]
"""A stretch of text and its kind (an origin, or any other style name)."""


@dataclass(slots=True)
class Line:
    runs: list[Run] = field(default_factory=list)
    cells: int = 0

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.runs)


class Page(Protocol):
    """Text laid out in lines."""

    lines: list[Line]

    def resize(self, width: int) -> bool: ...


@dataclass(slots=True)
class _Cluster:
    """One character as a person sees it."""

    text: str
    kind: str
    cells: int

    @property
    def space(self) -> bool:
        return self.text == " "


class Flow:
    """Text in lines of at most `width` cells.

    Lines break after spaces and beside wide characters; a word longer than a line is cut. Spaces at the end of a
    line may hang over its edge. A character belongs to the run that began it: a combining mark takes its
    base's kind.
    """

    def __init__(self, width: int = 80) -> None:
        self.width = max(1, width)
        self.lines: list[Line] = [Line()]
        self._pieces: list[Run] = []
        self._last = "\n"

    @property
    def text(self) -> str:
        """All that was added, made safe."""
        return "".join(text for text, _ in self._pieces)

    @property
    def pieces(self) -> list[Run]:
        """As they were added, made safe; those without text were not."""
        return self._pieces

    def extend(self, pieces: Iterable[Run]) -> int:
        """Add text; returns the number of the first line that may have changed."""
        added = [(self._joined(safe(text)), kind) for text, kind in pieces if text]
        first = len(self.lines) - 1
        if added:
            self._pieces += added
            tail = self.lines.pop()
            self._wrap(tail.runs + added)
        return first

    def _joined(self, text: str) -> str:
        text = joined(text, self._last)
        self._last = text[-1:] or self._last
        return text

    def resize(self, width: int) -> bool:
        """Lay everything out for another width; False when it is the same."""
        width = max(1, width)
        if width == self.width:
            return False
        self.width = width
        self.lines = []
        self._wrap(self._pieces)
        return True

    def _wrap(self, runs: list[Run]) -> None:
        self.lines += wrap(runs, self.width)


def joined(text: str, before: str = "\n") -> str:
    """Without joiners that have nothing before them to join: they would swallow what follows."""
    return _STRAY.sub("", before + text)[len(before) :]


def wrap(runs: list[Run], width: int) -> list[Line]:
    """Safe runs in lines of at most `width` cells; one empty line for no text at all."""
    return [line for paragraph in _paragraphs(runs) for line in _laid_out(paragraph, max(1, width))]


def _laid_out(paragraph: list[Run], width: int) -> list[Line]:
    if len(paragraph) == 1 and paragraph[0][0].isascii():
        return _plain(*paragraph[0], width)
    return _fill(_clusters(paragraph), width)


def _plain(text: str, kind: str, width: int) -> list[Line]:
    """What `_fill` gives for a character a cell, by words: somebody may paste a book."""
    lines: list[str] = []
    line = ""
    for word in _WORD.findall(text):
        solid = len(word.rstrip(" "))
        if line and solid and len(line) + solid > width:
            lines.append(line)
            line = ""
        while not line and solid > width:
            lines.append(word[:width])
            word, solid = word[width:], solid - width
        line += word
    return [Line([(line, kind)], len(line)) for line in [*lines, line]]


def _paragraphs(runs: list[Run]) -> Iterable[list[Run]]:
    current: list[Run] = []
    for text, kind in runs:
        first, *rest = text.split("\n")
        if first:
            current.append((first, kind))
        for part in rest:
            yield current
            current = [(part, kind)] if part else []
    yield current


def _clusters(runs: list[Run]) -> list[_Cluster]:
    text = "".join(part for part, _ in runs)
    kinds: list[tuple[int, str]] = []
    end = 0
    for part, kind in runs:
        end += len(part)
        kinds.append((end, kind))
    clusters = []
    at = 0
    for start, stop, cells in split_graphemes(text)[0]:
        while kinds[at][0] <= start:
            at += 1
        clusters.append(_Cluster(text[start:stop], kinds[at][1], cells))
    return clusters


def _fill(clusters: list[_Cluster], width: int) -> list[Line]:
    """Greedy lines out of one paragraph's characters."""
    lines: list[Line] = []
    line: list[_Cluster] = []
    used = 0
    for word in _words(clusters):
        solid = sum(c.cells for c in word if not c.space)
        if line and solid and used + solid > width:
            lines.append(_line(line))
            line, used = [], 0
        for cluster in word:
            if line and not cluster.space and used + cluster.cells > width:
                lines.append(_line(line))
                line, used = [], 0
            line.append(cluster)
            used += cluster.cells
    lines.append(_line(line))
    return lines


def _words(clusters: list[_Cluster]) -> Iterable[list[_Cluster]]:
    """Stretches between break points, each with the spaces that follow it."""
    word: list[_Cluster] = []
    for cluster in clusters:
        if word and not cluster.space and (word[-1].space or word[-1].cells > 1 or cluster.cells > 1):
            yield word
            word = []
        word.append(cluster)
    if word:
        yield word


def _line(clusters: list[_Cluster]) -> Line:
    runs: list[Run] = []
    for cluster in clusters:
        if runs and runs[-1][1] == cluster.kind:
            runs[-1] = (runs[-1][0] + cluster.text, cluster.kind)
        else:
            runs.append((cluster.text, cluster.kind))
    return Line(runs, sum(c.cells for c in clusters))
