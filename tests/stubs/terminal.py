"""A real pseudo-terminal with a program in it: send keys, wait for text, look at the screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import pyte
from waiting import PATIENCE

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "space": " ",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "ctrl+up": "\x1b[1;5A",
    "ctrl+down": "\x1b[1;5B",
    "f1": "\x1bOP",
} | {f"ctrl+{chr(c)}": chr(c - 96) for c in range(ord("a"), ord("z") + 1)}

# pyte prints what it cannot parse: private modes with an intermediate, the kitty protocol, device strings.
_UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*[A-Za-z]|\x1b\[\?[0-9;]*\$[a-z]|\x1b[P_^][^\x1b]*\x1b\\")


class Terminal:
    """A program on a screen of `size` (columns, rows). A context manager; the program is killed at its end."""

    def __init__(
        self,
        argv: Sequence[str],
        size: tuple[int, int] = (100, 30),
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._rest = b""
        self._gone = threading.Event()
        self.output = b""
        """Every byte that the program wrote."""
        self._master, slave = pty.openpty()
        self._set_size(*size)
        merged = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "TEXTUAL_THEME"):
            if name not in (env or {}):
                merged.pop(name, None)
        self.process = subprocess.Popen(
            list(argv), stdin=slave, stdout=slave, stderr=slave, env=merged, cwd=cwd, start_new_session=True
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, *keys: str) -> None:
        """Names of `KEYS`, or text as it is typed."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())

    def text(self) -> str:
        """The screen, line by line."""
        with self._changed:
            return "\n".join(self._screen.display)

    def wait_for(self, what: str | Callable[[str], object], timeout: float = PATIENCE) -> str:
        """Wait until the text (or the condition on the screen) is there; returns the screen."""
        holds = what if callable(what) else (lambda screen: what in screen)
        give_up = time.monotonic() + timeout
        with self._changed:
            while not holds(screen := "\n".join(self._screen.display)):
                left = give_up - time.monotonic()
                if left <= 0 or (not self._reader.is_alive() and not self._changed.wait(0.1)):
                    raise AssertionError(f"waited in vain for {what!r}; the screen is:\n{screen}")
                self._changed.wait(min(left, 0.5))
            return screen

    def resize(self, columns: int, rows: int) -> None:
        with self._changed:
            self._screen.resize(rows, columns)
        self._set_size(columns, rows)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGWINCH)

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown, and comes in whole lines."""
        modes = termios.tcgetattr(self._master)[3]
        return bool(modes & termios.ECHO) and bool(modes & termios.ICANON)

    def wait_exit(self, timeout: float = PATIENCE) -> int:
        """The program's exit status."""
        return self.process.wait(timeout)

    def hang_up(self) -> None:
        """Close the terminal under the program, as closing its window does."""
        self._gone.set()
        self._reader.join()
        os.close(self._master)
        # To a program that was started by a shell the kernel sends this; ours has no controlling terminal.
        self.process.send_signal(signal.SIGHUP)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(2)
        if not self._gone.is_set():
            os.close(self._master)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        while not self._gone.is_set():
            if not select.select([self._master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:
                data = b""
            if not data:
                break
            self._feed(data)
        with self._changed:
            self._changed.notify_all()

    def _feed(self, data: bytes) -> None:
        with self._changed:
            self.output += data
            whole = self._rest + data
            # An escape sequence may be cut by the read: keep it for the next one.
            cut = whole.rfind(b"\x1b")
            if cut >= 0 and len(whole) - cut < 32 and not re.search(rb"[A-Za-z\\]", whole[cut + 1 :]):
                whole, self._rest = whole[:cut], whole[cut:]
            else:
                self._rest = b""
            self._stream.feed(_UNKNOWN.sub(b"", whole))
            self._changed.notify_all()
