"""Streaming text, line by line: only lines that changed are drawn again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style

from ..render.flow import Flow, Line, Page, Run
from ..render.origins import TEXT_STYLES
from ..render.spots import Marks, marks
from .bare import Steady

CURSOR = RichStyle(reverse=True, bold=True)


class TokenView(Steady):
    """Text in runs of a kind each; a kind that names an origin is coloured and shaped by it.

    Another page, laid out from the same text, can stand in the place of the tokens; its kinds are styles.
    """

    DEFAULT_CSS = """
    TokenView { width: 1fr; height: auto; }
    """

    coloured: reactive[bool] = reactive(True)

    def __init__(self, *, coloured: bool = True, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self.flow = Flow()
        self.page: Page = self.flow
        self._strips: list[Strip | None] = [None]
        self._styles: dict[str, RichStyle] = {}
        self._pointed: tuple[int, int] | None = None
        self._marks: Marks = {}
        self._grown = False
        self.set_reactive(TokenView.coloured, coloured)

    @property
    def text(self) -> str:
        return self.flow.text

    def show(self, page: Page | None) -> None:
        """Show this page; None brings the tokens back."""
        self.page = page or self.flow
        self._fit(self.size.width)
        self._forget()
        self.refresh(layout=True)

    def extend(self, pieces: Iterable[Run], *, grow: bool = True) -> None:
        """Add text at the end; without `grow`, new lines wait for a call of it. From the UI thread only."""
        before = len(self.flow.lines)
        first = self.flow.extend(pieces)
        after = len(self.flow.lines)
        if self.page is not self.flow:
            return
        del self._strips[first:]
        self._strips += [None] * (after - first)
        self._mark()
        self._grown |= after != before
        if self._grown and grow:
            self.grow()
        elif first < self.size.height:
            self.refresh(Region(0, first, self.size.width, min(after, self.size.height) - first))

    def grow(self) -> None:
        """Take the room that the lines need by now."""
        if self._grown:
            self._grown = False
            self.refresh(layout=True)

    def point(self, stretch: tuple[int, int] | None) -> None:
        """Mark the text from one character to another, as a cursor."""
        self._pointed = stretch
        self._mark()

    def _mark(self) -> None:
        """Find the cursor on the lines, which may have been laid out anew."""
        before, self._marks = self._marks, {}
        if self._pointed is not None:
            self._marks = marks(self.text, self.flow.lines, *self._pointed)
        for line in before.keys() | self._marks.keys():
            if line < len(self._strips):
                self._strips[line] = None
                self.refresh(Region(0, line, self.size.width, 1))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        self._fit(width)
        return len(self.page.lines)

    def render_lines(self, crop: Region) -> list[Strip]:
        if not self.is_attached:
            return []  # Taken out, and not laid out anew yet.
        # No border, padding or opacity is to be added, and Textual's own cache of lines is lost with every new height.
        strips = [self.render_line(y) for y in crop.line_range]
        return [strip.crop(crop.x, crop.right) for strip in strips] if crop.width < self.size.width else strips

    def render_line(self, y: int) -> Strip:
        self._fit(self.size.width)
        if y >= len(self._strips):
            return Strip.blank(self.size.width, self.rich_style)
        selection = self.text_selection
        if selection is not None:
            return self._draw(y, selection)
        if (strip := self._strips[y]) is None:
            strip = self._strips[y] = self._draw(y, None)
        return strip

    def _fit(self, width: int) -> None:
        if width > 0 and self.page.resize(width):
            self._forget()

    def _forget(self) -> None:
        self._strips = [None] * len(self.page.lines)
        self._styles.clear()
        self._mark()

    def _draw(self, y: int, selection: Selection | None) -> Strip:
        line = self.page.lines[y]
        segments = [Segment(text, self._style(kind)) for text, kind in line.runs]
        if selection is not None and (span := selection.get_span(y)) is not None:
            segments = self._styled(line, segments, *span, self.screen.get_component_rich_style("screen--selection"))
        cells = line.cells
        if (mark := self._marks.get(y)) is not None:
            if mark[1] > len(line.text):  # A line feed, or the end.
                segments, cells = [*segments, Segment(" ", self.rich_style)], cells + 1
            segments = self._styled(line, segments, *mark, CURSOR)
        strip = Strip(segments, cells).adjust_cell_length(self.size.width, self.rich_style)
        for line_filter in self.app.get_line_filters():
            strip = strip.apply_filter(line_filter, self.background_colors[1])
        return strip.apply_offsets(0, y)

    def _styled(self, line: Line, segments: list[Segment], start: int, end: int, style: RichStyle) -> list[Segment]:
        """The same line with another style on its characters from `start` to `end`."""
        end = len(line.text) if end == -1 else end
        marked, at = [], 0
        for text, own, _ in segments:
            cuts = sorted({0, len(text), *(min(max(edge - at, 0), len(text)) for edge in (start, end))})
            for a, b in pairwise(cuts):
                inside = start <= at + a < end
                marked.append(Segment(text[a:b], (own or RichStyle()) + style if inside else own))
            at += len(text)
        return marked

    def _style(self, kind: str) -> RichStyle:
        if (style := self._styles.get(kind)) is None:
            named = kind.strip() if self.page is not self.flow else TEXT_STYLES.get(kind, "") if self.coloured else ""
            visual = self.visual_style + Style.parse(named) if named else self.visual_style
            style = self._styles[kind] = visual.rich_style
        return style

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(line.text.rstrip() for line in self.page.lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._forget()

    def watch_coloured(self) -> None:
        self._forget()
        self.refresh()
