"""A cursor on the tokens of a reply: where each of them came from."""

from __future__ import annotations

from textual import events
from textual.content import Content

from ...render import token
from ...render.spots import Spot, above, spots
from ...widgets.turns import ReplyView
from ..core import ChatCore

INSTEAD = ("stop", "read", "leave", "skip", "skip_reply", "restart")
"""What the keys of the cursor do without one."""


class TokenActions(ChatCore):
    _inspected: ReplyView | None = None
    _number = 0
    """Of the token under the cursor."""
    _before = False
    """Whether the reply was shown as tokens without a cursor too."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self._inspected is not None and action in INSTEAD:
            return False
        return super().check_action(action, parameters)

    def action_inspect(self) -> None:
        """Begin at the first token of the chosen reply, or the last reply; end where it has begun."""
        if self._inspected is not None:
            self._leave()
            return
        chosen = self.transcript.selected
        replies = [chosen] if isinstance(chosen, ReplyView) else list(self.query(ReplyView))
        if replies and replies[-1].text:
            self._inspected, self._number = replies[-1], 0
            self._before = self._inspected.prefers_tokens
            self._inspected.as_tokens = True
            self.lens.look("token", self._token_picture)
            self.lens.focus()
            self.refresh_bindings()
            self.call_after_refresh(self._go_to, 0)

    def action_walk(self, by: int) -> None:
        self._go_to(self._number + by)

    def action_walk_line(self, by: int) -> None:
        if found := self._spots():
            self._go_to(above(found, min(self._number, len(found) - 1), by))

    def action_walk_end(self, last: int) -> None:
        self._go_to((len(self._spots()) - 1) * last)

    def tick(self) -> None:
        super().tick()
        if self._inspected is not None and not self._inspected.is_attached:
            self._leave()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if self._inspected is not None and event.widget is self.prompt:
            self._leave(refocus=False)

    def _leave(self, *, refocus: bool = True) -> None:
        reply, self._inspected = self._inspected, None
        if reply is not None and reply.is_attached:
            reply.body.point(None)
            reply.as_tokens = self._before
        self.lens.look("token", None)
        if refocus:
            self.transcript.focus()
        self.refresh_bindings()

    def _go_to(self, number: int) -> None:
        reply, found = self._inspected, self._spots()
        if reply is None or not found:
            return
        self._number = max(0, min(number, len(found) - 1))
        spot = found[self._number]
        reply.body.point((spot.start, spot.stop))
        self.transcript.show_line(reply.body, spot.line)
        self.lens.mark()

    def _spots(self) -> list[Spot]:
        """Of each token: of all there were where the rounds are known, else of those that can be seen."""
        if self._inspected is None:
            return []
        flow, journal = self._inspected.body.flow, self._inspected.journal
        shown = iter([len(text) for text, _ in flow.pieces])
        lengths = [next(shown, 0) if text else 0 for text in journal.texts] if journal.tokens else list(shown)
        return spots(flow.text, flow.lines, lengths)

    def _token_picture(self, width: int, height: int) -> Content:
        reply = self._inspected
        if reply is None:
            return Content("")
        if reply.journal.tokens:
            return token.panel(reply.journal, min(self._number, reply.journal.tokens - 1), width, height)
        pieces = reply.body.flow.pieces
        text, origin = pieces[min(self._number, len(pieces) - 1)]
        return token.unknown(text, origin, self._number, len(pieces), width, height)
