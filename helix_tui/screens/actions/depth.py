"""The speculation depth, also in the middle of a reply."""

from __future__ import annotations

from engine import MAX_DEPTH

from ...messages import Depth
from ..core import ChatCore

FIXED = 4
"""The depth to fall back to where none was set before."""


class DepthActions(ChatCore):
    _depth_before: Depth | None = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("depth", "baseline", "adaptive"):
            return not self.replaying
        return super().check_action(action, parameters)

    def action_depth(self, by: int) -> None:
        now = self.view.depth
        if now == "auto":
            rounds = self.figures.speculating.rounds
            now = rounds[-1].depth if rounds else FIXED
        self.set_depth(max(0, min(MAX_DEPTH, now + by)))

    def action_adaptive(self) -> None:
        self.set_depth("auto" if self.view.depth != "auto" else FIXED)

    def action_baseline(self) -> None:
        self.set_depth(0 if self.view.depth else self._depth_before or self.settings.depth or FIXED)

    def set_depth(self, depth: Depth) -> None:
        """For what runs, from its next round on, and for what comes."""
        if not self.view.has_draft:
            self.notify("There is no draft model, so there is nothing to speculate with", timeout=4)
            return
        if self.view.depth:
            self._depth_before = self.view.depth
        self.view.depth = depth
        if self.answering:
            self.source.set_depth(depth)
        self.mark()
