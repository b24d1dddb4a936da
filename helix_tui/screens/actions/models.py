"""Changing the model in place: the chat stays, and the next question goes to the new one."""

from __future__ import annotations

from typing import Any

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
        if action == "fit":
            return self.failed and self.offer is not None
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

    def action_fit(self) -> None:
        if self.offer is not None:
            self._begin(f"loading {self.offer.words}", **self.offer.changes)

    def _load(self, pair: Pair) -> None:
        # The picker has weighed it and was told to go on.
        fit = {} if self.source_options.get("fit") == "shrink" else {"fit": "ignore"}
        self._begin(
            f"loading {pair.title}", target=pair.target, draft=None if pair.draft == "none" else pair.draft, **fit
        )

    def _begin(self, words: str, **options: Any) -> None:
        if not isinstance(self.source, LiveSource):
            return
        if not self.view.has_draft:
            # It was 0 only because there was nobody to draft.
            self.view.depth = self.settings.depth
        self.ready = self.failed = False
        self.figures.loaded = None
        self.transcript.note(words)
        if not self.query(LoadingLine):
            self.transcript.wait_with(LoadingLine(self.clock))
        self.source.change(**options)
        self.mark()
        self.refresh_bindings()

    @property
    def source_options(self) -> dict[str, Any]:
        return self.source.options if isinstance(self.source, LiveSource) else {}

    def _pair(self) -> Pair:
        options = self.source_options
        return Pair(options.get("target", "bundled"), options.get("draft") or "none")
