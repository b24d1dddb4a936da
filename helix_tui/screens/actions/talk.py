"""Asking, stopping, starting anew."""

from __future__ import annotations

from ...conversation import Conversation
from ...widgets.loading import LoadingLine
from ...widgets.prompt import Prompt
from ...widgets.transcript import Transcript
from ..core import ChatCore


class TalkActions(ChatCore):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return (self.answering or bool(self.waiting)) and not self.replaying
        if action == "read":
            return self.prompt.has_focus and not self.answering and not self.waiting
        if action == "retry":
            return self.failed
        if action == "new_chat":
            return not self.replaying
        return super().check_action(action, parameters)

    def on_prompt_sent(self, message: Prompt.Sent) -> None:
        view = self.transcript.question(message.text)
        if self.ready and not self.answering:
            self.ask(view)
        else:
            self.waiting.append(view)
            self.refresh_bindings()

    def on_transcript_typed(self, message: Transcript.Typed) -> None:
        if not self.replaying:
            self.prompt.focus()
            self.prompt.insert(message.character)

    def action_stop(self) -> None:
        if self.waiting:
            self.waiting.clear()
            self.transcript.note("not asked")
            self.refresh_bindings()
        else:
            self.source.stop()

    def action_read(self) -> None:
        self.transcript.focus()

    def action_retry(self) -> None:
        self.transcript.wait_with(LoadingLine(self.clock))
        self.begin()

    def action_new_chat(self) -> None:
        self.show(Conversation(self.conversation.system, self.settings))
        self.prompt.focus()
