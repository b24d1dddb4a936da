"""Slow motion: hold between rounds, go on round by round, and look back at those that were."""

from __future__ import annotations

from textual import events
from textual.content import Content

from ...conversation import Message
from ...journal import Journal
from ...render import slow
from ...widgets.turns import ReplyView
from ..core import ChatCore


class SlowActions(ChatCore):
    _looking: int | None = None
    """The round that is looked back at."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("hold", "step", "look_back"):
            return not self.failed
        return super().check_action(action, parameters)

    def action_hold(self) -> None:
        """Hold, or go on; looking back ends as well."""
        if self.source.held or self._looking is not None:
            self.source.go_on()
            self._look(None)
        else:
            self.source.hold()
            self._look(None)

    def action_step(self) -> None:
        """The next round: of those that were, when looking back; else of the reply that is held."""
        rounds = self._rounds()
        if self._looking is not None and self._looking + 1 < rounds:
            # In a reply that is over the last round is still a round that was.
            newest = self.source.held and self._looking + 2 == rounds
            self._look(None if newest else self._looking + 1)
        elif self.source.held:
            self._look(None)
            if self.answering or self.replaying:
                self.source.step_once()
        elif self._looking is None:
            self.action_hold()

    def action_look_back(self) -> None:
        rounds = self._rounds()
        if not rounds:
            return
        if self.answering and not self.source.held:
            self.source.hold()
        # While held, the newest round is what is shown already.
        shown = rounds - 1 if self.source.held else rounds
        self._look(max(0, (shown if self._looking is None else self._looking) - 1))

    def open_reply(self, message: Message | None = None) -> None:
        self._looking = None
        super().open_reply(message)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Other keys help now."""
        if self.source.held or self._looking is not None:
            self.mark()

    def _rounds(self) -> int:
        journal = self._journal()
        return len(journal.rounds) if journal is not None else 0

    def _journal(self) -> Journal | None:
        """Of the reply that runs, else of the chosen one or the last."""
        if self.reply is not None:
            return self.reply.journal
        chosen = self.transcript.selected
        replies = [chosen] if isinstance(chosen, ReplyView) else list(self.query(ReplyView))
        return replies[-1].journal if replies else None

    def _look(self, at: int | None) -> None:
        self._looking = at
        self.view.held = self.source.held
        shown = self.source.held or at is not None
        self.lens.look("round", self._picture if shown else None)
        self.mark()

    def _picture(self, width: int, height: int) -> Content:
        running = self.answering and not self.replaying
        return slow.panel(
            self._journal(),
            self._looking,
            width,
            height,
            held=self.source.held,
            running=running,
            typing=self.prompt.has_focus,
        )
