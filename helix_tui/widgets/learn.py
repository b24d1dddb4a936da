"""The lesson, under the chat and beside the panels it speaks of."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size

from ..render.learn import learn
from ..render.lessons import LEVELS, TITLES, Topic
from .panels import Panel, View
from .transcript import Transcript

PATIENCE = 8
"""Marks between two examples while a reply runs: a sentence has to stay long enough to be read."""


class LessonView(Panel):
    """As high as its text."""

    def __init__(self, view: View) -> None:
        super().__init__(view, "lesson")
        self.topic: Topic = "speculation"
        self.level = 1
        self._shown: Content | None = None
        self._width = 0
        self._marks = 0

    def mark(self) -> None:
        """A new example now and then while a reply runs; at once when it has ended or is held."""
        self._marks += 1
        if not self.view.figures.speed.running or self.view.held or self._marks % PATIENCE == 0:
            self.tell()

    def tell(self) -> None:
        """The lesson as it is now."""
        before = self._lesson(self.size.width)
        self._shown = None
        if len(self._lesson(self.size.width).split("\n")) != len(before.split("\n")):
            self.refresh(layout=True)
        super().mark()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lesson(width).split("\n"))

    def draw(self, width: int, height: int) -> Content:
        return self._lesson(width)

    def _lesson(self, width: int) -> Content:
        if self._shown is None or self._width != width:
            figures = self.view.figures
            running, rounds = figures.speed.running, list(reversed(figures.speculating.rounds))
            # A reply often ends on a round without guesses: there is more to say about the one before.
            told = rounds if running else [cycle for cycle in rounds if cycle.drafted] or rounds
            self._width = width
            self._shown = learn(self.topic, self.level, told[0] if told else None, width, running=running)
        return self._shown


class LearnPanel(VerticalScroll):
    BINDINGS = [  # noqa: RUF012
        *(Binding(str(n), f"level({n})", name, show=False, id=f"learn.level{n}") for n, name in enumerate(LEVELS, 1)),
        Binding("tab", "topic", "Topic", id="learn.topic"),
        Binding("escape", "close", "Close", key_display="esc", id="learn.close", priority=True),
    ]

    def __init__(self, view: View) -> None:
        super().__init__(id="learn")
        self.lesson = LessonView(view)
        self.display = False

    def compose(self) -> ComposeResult:
        yield self.lesson

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.has_focus if action == "close" else super().check_action(action, parameters)

    def on_key(self, event: events.Key) -> None:
        """As beside the transcript, what is typed belongs in the prompt."""
        if event.key in self.screen.active_bindings:
            return
        if event.key in ("enter", "i") or (event.is_printable and event.character):
            event.stop()
            self.post_message(Transcript.Typed("" if event.key in ("enter", "i") else event.character or ""))

    def action_level(self, level: int) -> None:
        self.lesson.level = level
        self._turn()

    def action_topic(self) -> None:
        topics = list(TITLES)
        self.lesson.topic = topics[(topics.index(self.lesson.topic) + 1) % len(topics)]
        self._turn()

    def action_close(self) -> None:
        self.display = False
        self.screen.set_focus(self.screen.query_one(Transcript))

    def _turn(self) -> None:
        self.lesson.tell()
        self.scroll_home(animate=False)
