"""What runs beside the chat: the race of baseline against speculative, and the swarm."""

from __future__ import annotations

from dataclasses import replace

from ...messages import Chat
from ...race import Race
from ...starters import STARTERS
from ..core import ChatCore
from ..race import RaceScreen
from ..swarm import SwarmScreen


class RaceActions(ChatCore):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("race", "swarm"):
            return not self.replaying and not self.failed
        return super().check_action(action, parameters)

    def action_race(self) -> None:
        """On the last question with the chat before it; on the first starter when there is none."""
        if self._busy():
            return
        if not self.view.has_draft:
            self.notify("There is no draft model, so there is nothing to race against", timeout=4)
        else:
            self.open_race(self._last_question())

    def action_swarm(self) -> None:
        if not self._busy():
            self.app.push_screen(SwarmScreen(self, replace(self.settings, depth=self.view.depth)))

    def _busy(self) -> bool:
        """Says so if the engine has something to do for the chat."""
        if self.answering or self.waiting:
            self.notify("esc stops the reply first", timeout=4)
        return self.answering or bool(self.waiting)

    def open_race(self, messages: Chat) -> None:
        question = replace(self.settings, messages=messages, depth=self.view.depth)
        self.app.push_screen(RaceScreen(self, Race(question)))

    def _last_question(self) -> Chat:
        chat = self.conversation.chat
        last = max((i for i, message in enumerate(chat) if message["role"] == "user"), default=None)
        if last is not None:
            return chat[: last + 1]
        return (*chat, {"role": "user", "content": STARTERS[0]})
