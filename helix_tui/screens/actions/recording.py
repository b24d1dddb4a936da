"""Recording by key, into a file named by date."""

from __future__ import annotations

from datetime import datetime

from engine import BadRecording

from ...render.card import Card
from ...tape import new_file
from ..core import ChatCore


class RecordActions(ChatCore):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "record":
            return not self.replaying
        return super().check_action(action, parameters)

    def action_record(self) -> None:
        """Begin, or end and say where the file is."""
        tape = self.bridge.tape
        if (path := tape.stop()) is not None:
            self.notify(f"Recorded to {path}\nTo watch it: helix-chat replay FILE", timeout=12, markup=False)
        else:
            try:
                tape.start(new_file(datetime.now()))
            except BadRecording as error:
                self.transcript.card(Card("Nothing is recorded", str(error), "The chat goes on."))
        self.view.recording = tape.running
        self.mark()
