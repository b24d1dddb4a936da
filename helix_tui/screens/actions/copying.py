"""Copying a message, or the code in it, by keyboard."""

from __future__ import annotations

from pathlib import Path

from ...clipboard import clean, command, hand_over, outcome
from ...render.fences import code_blocks
from ...render.text import safe
from ...render.units import count
from ...widgets.turns import QuestionView, ReplyView
from ..core import ChatCore


class CopyActions(ChatCore):
    _code_of: QuestionView | ReplyView | None = None
    _code_at = 0

    def action_copy(self) -> None:
        """The chosen message as it was written, or the last one."""
        turn = self.transcript.selected
        if turn is None or not turn.source:
            self.notify("There is nothing to copy yet", timeout=3)
            return
        whose = "question" if isinstance(turn, QuestionView) else "reply"
        self._copy(turn.source, f"the {whose}")

    def action_copy_code(self) -> None:
        """A code block of the chosen message; pressed again, the next one."""
        turn = self.transcript.selected
        blocks = code_blocks(turn.source) if turn is not None else []
        if not blocks:
            self.notify("There is no code block in this message", timeout=3)
            return
        self._code_at = (self._code_at + 1) % len(blocks) if turn is self._code_of else 0
        self._code_of = turn
        code = blocks[self._code_at]
        what = "the code" if len(blocks) == 1 else f"code block {self._code_at + 1} of {len(blocks)}"
        self._copy(code.text, f"{what}, {safe(code.language)}" if code.language else what)

    def _copy(self, text: str, what: str) -> None:
        text = clean(text)
        self.app.copy_to_clipboard(text)
        lines = count(text.rstrip("\n").count("\n") + 1, "line")
        self.run_worker(self._tell(text, f"{what}, {lines}"), group="copy", exclusive=False, exit_on_error=False)

    async def _tell(self, text: str, what: str) -> None:
        argv = command()
        done = argv is not None and await hand_over(argv, text)
        tool = Path(argv[0]).name if argv is not None and done else None
        self.notify(outcome(what, tool, text), timeout=5, markup=False)
