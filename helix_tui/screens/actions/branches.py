"""Other ways the chat could go: edit, regenerate, rewind, fork, and walking between what came of them."""

from __future__ import annotations

from textual.widget import Widget

from ...conversation import Conversation, Message
from ...render.units import count
from ...widgets.prompt import Prompt
from ...widgets.turns import QuestionView
from ..core import ChatCore

ACTIONS = ("edit", "regenerate", "rewind", "fork", "branch")
EDITING = "another version of this · enter sends it, esc leaves it"


class BranchActions(ChatCore):
    _edited: QuestionView | None = None
    _unsent = ""
    """What was half written when an edit began."""
    _behind: Widget | None = None
    """The line that says what a rewind left."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ACTIONS:
            return not self.replaying
        if action == "leave_edit":
            return self._edited is not None
        if action == "read" and self._edited is not None:
            return False
        return super().check_action(action, parameters)

    def show(self, conversation: Conversation) -> None:
        self._end_edit()
        self._forget_rewind()
        super().show(conversation)
        if not conversation.path:
            self._say_ahead()

    def on_prompt_sent(self, message: Prompt.Sent) -> None:
        """A question that was edited goes where the first version stands, which stays beside it."""
        self._forget_rewind()
        if (view := self._edited) is not None and view.message is not None:
            self.conversation.rewind(view.message)
            self.show(self.conversation)
            self.prompt.load_text(self._unsent)
        self.transcript.choose(None)

    def action_edit(self) -> None:
        if (message := self._chosen("user")) is None or self._busy():
            return
        if self._edited is None:
            self._unsent = self.prompt.text
        self._end_edit()
        self._edited = next(v for v in self.query(QuestionView) if v.message is message)
        self._edited.say(EDITING)
        self._write(message.text)
        self.refresh_bindings()

    def action_leave_edit(self) -> None:
        self._end_edit()
        self.prompt.load_text(self._unsent)
        self.transcript.focus()

    def action_regenerate(self) -> None:
        if (message := self._chosen("user")) is None or self._busy():
            return
        if not self.ready:
            self.notify("The model is still loading", timeout=3)
            return
        if self.settings.sampling.greedy:
            self.notify("At temperature 0 the same words come again, unless something else was changed", timeout=5)
        self.conversation.look(message.id)
        self.show(self.conversation)
        self.transcript.follow()
        self.answer(self.conversation.regenerate(message))

    def action_rewind(self) -> None:
        """Go on after the chosen reply, or from before the chosen question; at the end of a rewound chat, undo it."""
        before_all = not self.conversation.path and self.conversation.ahead > 0
        message = None if before_all else self._chosen()
        if (message is None and not before_all) or self._busy():
            return
        if message is None or message.id == self.conversation.leaf:
            self.conversation.forward()
        else:
            self.conversation.rewind(message)
        self.show(self.conversation)
        self.store.save(self.conversation)
        self._say_ahead()
        if message is not None and message.role == "user":
            self._offer(message.text)

    def action_fork(self) -> None:
        if (message := self._chosen()) is None or self._busy():
            return
        fork = self.conversation.fork(message)
        self.show(fork)
        if fork.messages:
            self.store.save(fork, *fork.path)
        self.notify("A new chat begins here; the old one stays as it was", timeout=4)
        if message.role == "user":
            self._offer(message.text)

    def action_branch(self, by: int) -> None:
        """To the version before or after of the chosen message, or of the last that has any."""
        if self._busy():
            return
        chosen = self.transcript.chosen
        path = [chosen.message] if chosen is not None else self.conversation.path[::-1]
        forked = next((m for m in path if m is not None and len(self.conversation.siblings(m)) > 1), None)
        if forked is None:
            self.notify("There is only one version of this" if chosen else "This chat has no branches", timeout=3)
        elif (other := self.conversation.walk(forked, by)) is not None:
            self.show(self.conversation)
            self.transcript.choose(other.id)
            self.store.save(self.conversation)

    def _chosen(self, role: str | None = None) -> Message | None:
        """The chosen message, or the last one; asked for a question, that of a reply. Says so when there is none."""
        turn = self.transcript.selected
        message = turn.message if turn is not None else None
        if message is None:
            self.notify("There is nothing to go back to yet", timeout=3)
        elif role == "user" and message.role != "user":
            return self.conversation.messages[message.parent or ""]
        return message

    def _busy(self) -> bool:
        if busy := self.answering or bool(self.waiting):
            self.notify("esc stops the reply first", timeout=4)
        return busy

    def _offer(self, text: str) -> None:
        """To ask it again; what is half written comes first."""
        if not self.prompt.text.strip():
            self._write(text)

    def _write(self, text: str) -> None:
        self.prompt.load_text(text)
        self.prompt.move_cursor(self.prompt.document.end)
        self.prompt.focus()

    def _end_edit(self) -> None:
        view, self._edited = self._edited, None
        if view is not None:
            self.transcript.number(self.conversation)
            self.refresh_bindings()

    def _say_ahead(self) -> None:
        if self._behind is None and (ahead := self.conversation.ahead):
            there = f"{count(ahead, 'later message')} kept in their branch · w brings them back"
            self._behind = self.transcript.note(there)

    def _forget_rewind(self) -> None:
        note, self._behind = self._behind, None
        if note is not None:
            note.remove()
