"""A chat as text by the model's own template. That is somebody's program: it gets a few seconds and no more.

What a template refuses is said in other ways before it is given up: the system prompt in the first question, and
neighbours of one role as one message.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..errors import InvalidRequest

Chat = list[dict[str, str]]
SECONDS = 5.0
"""Of rendering. Real templates take milliseconds."""
LONGEST = 10_000_000
"""Characters that a template may put out for one chat."""
PROBE = "Helix asks whether this is kept."


class TooMuch(Exception):
    """A template that does not come to an end."""


def render(template: Callable[[Chat], str], chat: Chat, *, takes_system: bool) -> str:
    """The chat by `template`. Raises InvalidRequest with what the template said to the chat as it is."""
    refusal: Exception | None = None
    for said in _ways(chat, takes_system):
        try:
            with bounded():
                return template(said)
        except TooMuch as error:
            raise InvalidRequest(
                "The model's chat template does not come to an end, so it was stopped; "
                "correct chat_template in the model's folder, or take it out to chat in plain text."
            ) from error
        except Exception as error:
            refusal = refusal or error
    raise _refused(refusal)


def takes_system(template: Callable[[Chat], str]) -> bool:
    """Whether a system prompt comes through. Some templates refuse one, others drop it without a word."""
    try:
        with bounded():
            return PROBE in template([{"role": "system", "content": PROBE}, {"role": "user", "content": "Hello."}])
    except Exception:
        return False


@contextmanager
def bounded(seconds: float | None = None) -> Iterator[None]:
    """Raise TooMuch inside a Jinja template that takes longer, or puts out more than LONGEST, within this block.

    Only a trace can end a loop in somebody else's code; it looks at lines of templates and costs milliseconds.
    """
    end = time.monotonic() + (SECONDS if seconds is None else seconds)
    put_out = 0

    def watch(frame: FrameType, event: str, value: Any) -> Any:
        nonlocal put_out
        if event == "return" and isinstance(value, str):
            put_out += len(value)
        if time.monotonic() > end or put_out > LONGEST:
            raise TooMuch
        return watch if frame.f_code.co_filename == "<template>" else None

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


def _ways(chat: Chat, system: bool) -> Iterator[Chat]:
    """The chat, then what says the same to a template that refuses it."""
    folded = _folded(chat)
    first, second = (chat, folded) if system else (folded, chat)
    tried: list[Sequence[dict[str, str]]] = []
    for way in (first, second, _merged(first), _merged(folded)):
        if way not in tried:
            tried.append(way)
            yield way


def _folded(chat: Chat) -> Chat:
    """The system prompt at the head of the first question."""
    head, *rest = chat
    place = next((i for i, message in enumerate(rest) if message["role"] == "user"), None)
    if head["role"] != "system" or place is None:
        return chat
    asked = rest[place]
    rest[place] = {**asked, "content": f"{head['content']}\n\n{asked['content']}"}
    return rest


def _merged(chat: Chat) -> Chat:
    """Neighbours of one role as one message: many templates want question and reply in turns."""
    out: Chat = []
    for message in chat:
        if out and out[-1]["role"] == message["role"]:
            out[-1] = {**out[-1], "content": f"{out[-1]['content']}\n\n{message['content']}"}
        else:
            out.append(message)
    return out


def _refused(error: Exception | None) -> InvalidRequest:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:160]
    if type(error).__name__ in ("TemplateSyntaxError", "TemplateAssertionError"):
        line = getattr(error, "lineno", "?")
        return InvalidRequest(
            f"The model's chat template is broken (line {line}: {reason}); "
            "correct chat_template in the model's folder, or take it out to chat in plain text."
        )
    return InvalidRequest(f"The model's chat template refuses this chat ({reason}); change its messages.")
