"""How the chat is shown, and the screens that open over it."""

from __future__ import annotations

from ...widgets.turns import ReplyView
from ..core import ChatCore
from ..help import HelpScreen


class ViewActions(ChatCore):
    def action_select(self, by: int) -> None:
        self.transcript.select(by)

    def action_origins(self) -> None:
        self.coloured = not self.coloured
        for view in self.query(ReplyView):
            view.body.coloured = self.coloured

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self.preferences.keys))
