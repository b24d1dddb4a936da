"""How the chat is shown, and the screens that open over it."""

from __future__ import annotations

from ...widgets.turns import ReplyView
from ..core import ChatCore
from ..help import HelpScreen


class ViewActions(ChatCore):
    def action_select(self, by: int) -> None:
        self.transcript.select(by)

    def action_origins(self) -> None:
        """Bring out where each token came from; where that is to be seen, back to plain reading."""
        shown = self.coloured and any(view.as_tokens and view.text for view in self.query(ReplyView))
        self.coloured = not shown
        for view in self.query(ReplyView):
            view.body.coloured = self.coloured
        self._show_tokens(self.coloured)

    def action_tokens(self) -> None:
        """Tokens or Markdown: of the chosen reply, else of all."""
        chosen = self.transcript.chosen
        if isinstance(chosen, ReplyView):
            chosen.as_tokens = not chosen.as_tokens
        else:
            self._show_tokens(not self.as_tokens)

    def _show_tokens(self, wanted: bool) -> None:
        self.as_tokens = wanted
        for view in self.query(ReplyView):
            view.as_tokens = wanted

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self.preferences.keys))
