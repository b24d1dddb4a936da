"""The app in front of an audience: large, plain, and without anything personal."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.reactive import reactive

from .render.public import public

STAGE = "-stage"
"""The app's class on stage: style sheets and widgets go by it."""
THEME = "helix-contrast"


class StagedApp(App[None]):
    """An app that `staged` puts on stage and takes back as it was."""

    staged: reactive[bool] = reactive(False)
    _theme_before: str | None = None

    def watch_staged(self, staged: bool) -> None:
        self.set_class(staged, STAGE)
        if staged:
            self._theme_before, self.theme = self.theme, THEME
        elif self._theme_before is not None and self.theme == THEME:
            self.theme = self._theme_before

    def notify(self, message: str, *, title: str = "", **options: Any) -> None:
        """On stage, whatever is said is said without paths and names."""
        if self.staged:
            message, title = public(message), public(title)
        super().notify(message, title=title, **options)
