"""Changing the model in place: the chat stays, and the next question goes to the new one."""

from __future__ import annotations

from ...models import Pair
from ...sources import LiveSource
from ...widgets.loading import LoadingLine
from ..picker import PickerScreen
from .talk import TalkActions


class ModelActions(TalkActions):
    _worked: Pair | None = None
    """The pair to go back to."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "models":
            return isinstance(self.source, LiveSource)
        if action == "stop" and self._switching:
            return True
        return super().check_action(action, parameters)

    @property
    def _switching(self) -> bool:
        return self._worked is not None and not self.ready and not self.failed

    def action_models(self) -> None:
        if not isinstance(self.source, LiveSource):
            return
        before = self._worked if self.failed else None
        screen = PickerScreen(
            self._pair(), before, folders=self.preferences["model.folders"], load=self.source.options, clock=self.clock
        )
        self.app.push_screen(screen, self._picked)

    def _picked(self, pair: Pair | None) -> None:
        if pair is None:
            return
        if self.ready and pair == self._pair():
            self.notify("That one is loaded", timeout=4)
            return
        if self.ready:
            self._worked = self._pair()
        self._load(pair)

    def action_stop(self) -> None:
        """In the middle of a change, the model before comes back."""
        if self._switching and not self.waiting and self._worked is not None:
            before, self._worked = self._worked, None
            self.transcript.note(f"back to {before.title}")
            self._load(before)
        else:
            super().action_stop()

    def _load(self, pair: Pair) -> None:
        if not isinstance(self.source, LiveSource):
            return
        if not self.view.has_draft:
            # It was 0 only because there was nobody to draft.
            self.view.depth = self.settings.depth
        self.ready = self.failed = False
        self.figures.loaded = None
        self.transcript.note(f"loading {pair.title}")
        if not self.query(LoadingLine):
            self.transcript.wait_with(LoadingLine(self.clock))
        self.source.change(target=pair.target, draft=None if pair.draft == "none" else pair.draft)
        self.mark()
        self.refresh_bindings()

    def _pair(self) -> Pair:
        options = self.source.options if isinstance(self.source, LiveSource) else {}
        return Pair(options.get("target", "bundled"), options.get("draft") or "none")
