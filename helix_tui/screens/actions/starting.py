"""The questions of the first screen, asked by number or from the palette."""

from __future__ import annotations

from ...starters import STARTERS
from ...widgets.loading import Welcome
from ...widgets.prompt import Prompt
from ..core import ChatCore


class StartActions(ChatCore):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "starter":
            return not self.replaying and not self.prompt.text and bool(self.query(Welcome))
        return super().check_action(action, parameters)

    def action_starter(self, number: int) -> None:
        """From 1."""
        self.start_with(STARTERS[number - 1])

    def start_with(self, question: str) -> None:
        """As if it had been typed."""
        if (reason := self.refusal()) is not None:
            self.notify(reason, timeout=4)
            return
        self.prompt.sent.add(question)
        self.prompt.post_message(Prompt.Sent(question))
