"""Copying: through the terminal (OSC 52), and by the platform's own command where there is one."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping

PATIENCE = 2.0
"""Seconds that a clipboard command may take."""
TERMINAL_LIMIT = 74_000
"""Bytes that every terminal known to take OSC 52 takes."""

Which = Callable[[str], str | None]


def command(
    platform: str = sys.platform, env: Mapping[str, str] = os.environ, which: Which = shutil.which
) -> list[str] | None:
    """The clipboard command of the machine the person sits at; None over ssh, where it would be another's."""
    if "SSH_CONNECTION" in env or "SSH_TTY" in env:
        return None
    candidates: list[tuple[str, ...]] = []
    if platform == "darwin":
        candidates.append(("pbcopy",))
    if env.get("WAYLAND_DISPLAY"):
        candidates.append(("wl-copy",))
    if env.get("DISPLAY"):
        candidates += [("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
    if platform == "win32" or "WSL_DISTRO_NAME" in env:
        candidates.append(("clip.exe",))
    for name, *options in candidates:
        if path := which(name):
            return [path, *options]
    return None


async def hand_over(argv: list[str], text: str) -> bool:
    """Give the text to the command without a shell; whether it took it within `PATIENCE`."""
    # clip.exe reads UTF-16 where a byte order mark says so, and the machine's old code page otherwise.
    data = text.encode("utf-16" if argv[0].endswith("clip.exe") else "utf-8", "replace")
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            # Some stay to serve the clipboard: with a pipe for their output we would wait for their end.
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=sys.platform != "win32",
        )
    except OSError:
        return False
    try:
        await asyncio.wait_for(process.communicate(data), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
    return process.returncode == 0


def clean(text: str) -> str:
    """Without control characters but line feeds and tabs: what is pasted into a shell must not act by itself."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        c for c in text if c in "\n\t" or not (c < " " or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff")
    )


def outcome(what: str, tool: str | None, text: str, env: Mapping[str, str] = os.environ) -> str:
    """What was done, and no more: nobody answers an OSC 52."""
    if tool is not None:
        return f"Copied {what} ({tool})"
    sent = f"Sent {what} to the terminal's clipboard (OSC 52)"
    if len(text.encode("utf-8", "replace")) > TERMINAL_LIMIT:
        return f"{sent}; it is long, and many terminals drop that much"
    if "TMUX" in env:
        return f"{sent}; tmux passes it on only with set-clipboard on"
    return f"{sent}; some terminals ignore that"
