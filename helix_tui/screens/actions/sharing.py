"""The share card: figures as a picture and a page, with no word of the chat unless asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from textual.screen import Screen

from ... import share
from ...messages import Depth
from ...render.public import public
from ...render.share import markdown, svg
from ...stage import StagedApp
from ..core import ChatCore


class ShareActions(ChatCore):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "card":
            return not (self.answering or self.replaying)
        return super().check_action(action, parameters)

    def action_card(self, with_text: bool) -> None:
        """Of the last reply."""
        said = [message["content"] for message in self.conversation.chat[-2:]] if with_text else []
        text = (said[0], said[1]) if len(said) == 2 else ("", "")
        write_card(self, share.of_chat(self.figures, self._depth(), datetime.now(), self.race, text))

    def _depth(self) -> Depth:
        """Of the last reply, as it ended: the next question may go another way."""
        rounds = self.figures.speculating.rounds
        return self.view.depth if not rounds else "auto" if rounds[-1].reason else rounds[-1].depth


def write_card(screen: Screen[Any], facts: share.Facts | None) -> None:
    """Write it and say where, or why not."""
    if facts is None:
        screen.notify("Nothing was measured yet: ask something, or press r for a race", timeout=4)
        return
    if isinstance(screen.app, StagedApp) and screen.app.staged:
        facts = _discreet(facts)
    try:
        picture, page = share.write(facts, svg(facts), markdown(facts), share.folder())
    except OSError as error:
        screen.notify(f"The card could not be written: {error}", severity="error", markup=False)
        return
    text = "with question and reply" if facts.question else "without question and reply; Z adds them"
    screen.notify(f"{_at_home(picture)} and {page.name}, {text}", title="Card written", markup=False, timeout=8)


def _discreet(facts: share.Facts) -> share.Facts:
    """Without the model's name, which may be a folder's, and without paths and names in what was said."""
    target = replace(facts.loaded.target, name="")
    question, reply = public(facts.question), public(facts.reply)
    return replace(facts, loaded=replace(facts.loaded, target=target), question=question, reply=reply)


def _at_home(path: Path) -> str:
    """Without the person's name, which is most often in it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
