"""What plain mode says: whole words as they come, and figures in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable

from engine.events import Loaded, Loading, Usage

from ..conversation import Conversation
from ..render.summary import REASONS
from ..render.text import safe
from ..render.units import count, percent, rate, seconds

LONGEST = 40
"""Characters without a space after which text is let through all the same: some scripts have none."""
STEP = 4
"""A long stage is said again at every quarter of it."""

HELP = (
    "Write a question and press Enter. A line that ends in a backslash goes on in the next.",
    "/depth N or /depth auto: how many tokens to draft in a round.",
    "/baseline: speculation off, and on again.",
    "/system TEXT: the system prompt of a new chat. /system alone takes it away.",
    "/new: start a new chat.",
    "/stats: figures of this chat.",
    "/stop, or Ctrl+C: while a reply comes, stop it and keep what is there.",
    "/quit: leave.",
    "A question that begins with a slash is written with two.",
)


class Words:
    """Holds back the word that is not finished."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> str:
        """What can be said now."""
        text = self._rest + text
        end = max(text.rfind(" "), text.rfind("\n")) + 1
        if len(text) - end > LONGEST:
            end = len(text)
        said, self._rest = text[:end], text[end:]
        return safe(said)

    def end(self) -> str:
        """The rest."""
        rest, self._rest = self._rest, ""
        return safe(rest)


class Stages:
    """One line for each stage of loading, and one for each quarter of a long one."""

    def __init__(self) -> None:
        self._stage = ""
        self._quarter = 0

    def line(self, event: Loading) -> str | None:
        """What to say of the event, if anything."""
        quarter = min(STEP - 1, event.done * STEP // event.total) if event.total > 0 else 0
        if event.stage != self._stage:
            self._stage, self._quarter = event.stage, quarter
            return f"Loading: {safe(event.stage)}."
        if quarter > self._quarter:
            self._quarter = quarter
            return f"Loading: {safe(event.stage)}, {quarter * 100 // STEP} %."
        return None


def ready(loaded: Loaded) -> str:
    """`Ready: bundled on cpu, with a draft model.`"""
    with_draft = "with a draft model" if loaded.draft is not None else "without a draft model"
    return f"Ready in {seconds(loaded.seconds)}: {safe(loaded.target.name)} on {loaded.device}, {with_draft}."


def earlier(conversation: Conversation) -> list[str]:
    """The turns of a chat that goes on; nothing of a new one."""
    if not conversation.path:
        return []
    lines = [f"Going on with: {safe(conversation.title)}"]
    for message in conversation.path:
        lines.append(f"{'You' if message.role == 'user' else 'Helix'}: {safe(message.text)}")
    return lines


def reply(reason: str, usage: Usage) -> str:
    """`34 tokens, 58 a second, 71 % of drafts accepted`"""
    parts = [count(usage.completion_tokens, "token")]
    if usage.decode_tokens_per_s is not None:
        parts.append(f"{rate(usage.decode_tokens_per_s)} a second")
    if usage.acceptance_rate is not None:
        parts.append(f"{percent(usage.acceptance_rate)} of drafts accepted")
    if why := REASONS.get(reason, reason):
        parts.append(why)
    return ", ".join(parts)


def chat(usages: Iterable[Usage], loaded: Loaded, depth: int | str) -> list[str]:
    """The figures of a whole chat, a sentence each."""
    all_of = list(usages)
    tokens, drafted = sum(u.completion_tokens for u in all_of), sum(u.drafted for u in all_of)
    seconds_spent = sum(u.decode_s for u in all_of)
    after_first = sum(max(0, u.completion_tokens - 1) for u in all_of)
    lines = ["1 reply, " if len(all_of) == 1 else f"{len(all_of)} replies, "]
    lines[0] += count(tokens, "token")
    if seconds_spent > 0:
        lines[0] += f", {rate(after_first / seconds_spent)} a second"
    lines[0] += "."
    if drafted:
        share = percent(sum(u.accepted for u in all_of) / drafted)
        lines.append(f"{count(drafted, 'token')} drafted, {share} of them accepted.")
    if all_of:
        used = all_of[-1].prompt_tokens + all_of[-1].completion_tokens
        lines.append(f"Context: {used:,} of {loaded.context:,} tokens.")
    lines.append(f"Depth: {depth}." if depth else "Depth: 0, which is baseline.")
    lines.append(f"{safe(loaded.target.name)} on {loaded.device}, {loaded.target.dtype}.")
    return lines
