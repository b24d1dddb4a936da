"""The lesson, opened and closed."""

from __future__ import annotations

from ...widgets.learn import LearnPanel
from ..core import ChatCore


class LearnActions(ChatCore):
    def action_learn(self) -> None:
        """Open the lesson and go to it; from within it, close it."""
        panel = self.query_one(LearnPanel)
        if panel.display and panel.has_focus:
            panel.action_close()
            return
        panel.display = True
        panel.lesson.tell()
        panel.focus()
