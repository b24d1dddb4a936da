"""The chat as the engine needs it: turns that alternate, and what to do with one that did not work out."""

from __future__ import annotations

from .messages import Chat


class Conversation:
    """What was said so far. A turn is opened by `ask` and closed by exactly one of `answer` and `drop`."""

    def __init__(self, system: str | None = None) -> None:
        self.system = system
        self._turns: list[dict[str, str]] = []
        self._open = False

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def chat(self) -> Chat:
        """The messages, the system prompt first."""
        head = [{"role": "system", "content": self.system}] if self.system else []
        return tuple(head + [dict(turn) for turn in self._turns])

    def ask(self, text: str) -> Chat:
        """Open a turn; returns the chat that ends in it."""
        if self._open:
            raise RuntimeError("the last question is still open")
        self._turns.append({"role": "user", "content": text})
        self._open = True
        return self.chat

    def answer(self, text: str) -> None:
        """Close the turn with what the model said; an empty reply takes the question with it."""
        if not text.strip():
            self.drop()
        elif self._open:
            self._turns.append({"role": "assistant", "content": text})
            self._open = False

    def drop(self) -> None:
        """Close the turn without a reply, so that the next question stands in its place."""
        if self._open:
            self._turns.pop()
            self._open = False

    def clear(self) -> None:
        self._turns.clear()
        self._open = False


class History:
    """What the person sent, for the arrow keys. The text being written is kept while looking back."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._at = 0
        self._draft = ""

    def add(self, text: str) -> None:
        if not self._sent or self._sent[-1] != text:
            self._sent.append(text)
        self._at = len(self._sent)
        self._draft = ""

    def older(self, current: str) -> str | None:
        """The one sent before, or None at the oldest."""
        if self._at == 0:
            return None
        if self._at == len(self._sent):
            self._draft = current
        self._at -= 1
        return self._sent[self._at]

    def newer(self) -> str | None:
        """The one sent after, the unsent text at the end, or None past it."""
        if self._at >= len(self._sent):
            return None
        self._at += 1
        return self._draft if self._at == len(self._sent) else self._sent[self._at]
