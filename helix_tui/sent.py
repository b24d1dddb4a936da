"""What the person sent, for the arrow keys."""

from __future__ import annotations

from .sent_file import SentFile


class History:
    """What the person sent, for the arrow keys. The text being written is kept while looking back."""

    def __init__(self, file: SentFile | None = None) -> None:
        """`file` keeps it from one session to the next."""
        self._file = file
        self._sent = file.read() if file is not None else []
        self._at = len(self._sent)
        self._draft = ""

    def add(self, text: str) -> None:
        if not self._sent or self._sent[-1] != text:
            self._sent.append(text)
            if self._file is not None:
                self._file.add(text)
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
