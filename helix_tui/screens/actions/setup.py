"""The settings of this chat, changed while it goes on."""

from __future__ import annotations

from dataclasses import replace

from ..setup import Holding, SetupScreen
from .depth import DepthActions


class SetupActions(DepthActions):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "setup":
            return not self.replaying
        return super().check_action(action, parameters)

    def action_setup(self) -> None:
        now = Holding(
            self.conversation.system or "",
            self.settings.sampling,
            self.view.depth,
            self.settings.max_tokens,
            self.app.theme,
        )
        self.app.push_screen(SetupScreen(now, self.preferences, sorted(self.app.available_themes)), self._changed)

    def _changed(self, holding: Holding | None) -> None:
        """From the next question on; the depth at once, as with its keys."""
        if holding is None:
            return
        if self.view.has_draft and holding.depth != self.view.depth:
            self.set_depth(holding.depth)
        self.settings = replace(self.settings, sampling=holding.sampling, max_tokens=holding.max_tokens)
        self.conversation.settings = self.settings
        self.conversation.system = holding.system or None
        self.app.theme = holding.theme
        self.mark()
