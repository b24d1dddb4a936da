"""On stage and back, and questions to begin with on a key."""

from __future__ import annotations

from ...conversation import Conversation
from ...sent import History
from ...stage import StagedApp
from ...starters import STARTERS
from ...widgets.prompt import Prompt
from ...widgets.turns import CardView
from ..core import ChatCore

OFF = "-offstage"
"""Turns that were there before, which the audience does not see."""
PERSONAL = ("library", "models", "export")
"""Actions that would show chats, folders or files."""
WORDS = "F8 leaves the stage · ctrl+s writes the next question"


class StageActions(ChatCore):
    _starter = 0
    _private: Conversation | None = None
    """The chat that was left for the stage."""
    _kept: tuple[History, str] | None = None
    """What was sent and half written before."""
    _owing: Conversation | None = None
    """The chat that could not be left in the middle of a reply: the next question leaves it."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in PERSONAL and isinstance(self.app, StagedApp) and self.app.staged:
            return False
        if action == "next_starter":
            return not self.replaying
        return super().check_action(action, parameters)

    def on_mount(self) -> None:
        # Textual calls the one of every base by itself.
        self.watch(self.app, "staged", self._stage, init=True)

    def on_prompt_sent(self, message: Prompt.Sent) -> None:
        if self._owing is self.conversation and not self._talking():
            self._owing = None
            self._leave_private()

    def action_stage(self) -> None:
        if isinstance(self.app, StagedApp):
            self.app.staged = not self.app.staged
            if self.app.staged:
                self.notify(WORDS if not self.replaying else WORDS.partition(" · ")[0], timeout=4)

    def action_next_starter(self) -> None:
        """Write the next question into the prompt; enter sends it."""
        if self.prompt.text.strip() and self.prompt.text not in STARTERS:
            self.notify("What is written in the prompt comes first: send or delete it", timeout=4)
            return
        self.prompt.load_text(STARTERS[self._starter % len(STARTERS)])
        self.prompt.move_cursor(self.prompt.document.end)
        self.prompt.focus()
        self._starter += 1

    def _stage(self, staged: bool) -> None:
        """Take what is personal off this screen, or put it back."""
        if not self.replaying:
            self._change_chat(staged)
            self._swap_prompt(staged)
        for card in self.query(CardView):
            card.discreet(staged)
        self.mark()

    def _change_chat(self, staged: bool) -> None:
        """On stage a chat of its own: what was said in private is neither shown nor told to the model."""
        busy = self._talking()
        self._owing = self.conversation if staged and busy else None
        if staged and len(self.conversation) and not busy:
            self._leave_private()
        elif not staged and self._private is not None:
            # A reply that still runs on stage ends here, as when any other chat is opened.
            before, self._private = self._private, None
            self.show(before)
            busy = False
        for turn in self.transcript.turns:
            # What is being said now stays, and so does a card: it may say what to do.
            running = busy and turn in self.transcript.turns[-2:]
            turn.set_class(staged and not running and not isinstance(turn, CardView), OFF)

    def _leave_private(self) -> None:
        self._private = self.conversation
        self.show(Conversation(self._private.system, self.settings))

    def _talking(self) -> bool:
        return self.answering or bool(self.waiting)

    def _swap_prompt(self, staged: bool) -> None:
        """The arrow keys must not bring back what was asked in private."""
        prompt = self.prompt
        if staged and self._kept is None:
            self._kept = prompt.sent, prompt.text
            prompt.sent = History()
            prompt.clear()
        elif not staged and self._kept is not None:
            (prompt.sent, text), self._kept = self._kept, None
            prompt.load_text(text)
