"""The code blocks of a reply, for copying."""

from __future__ import annotations

from dataclasses import dataclass

from .markdown import parse


@dataclass(frozen=True, slots=True)
class Code:
    language: str
    text: str


def code_blocks(text: str) -> list[Code]:
    """Fenced and indented blocks in order, as they were written; one that is still open counts too."""
    return [
        Code(token.info.split()[0] if token.info.strip() else "", token.content.rstrip("\n"))
        for token in parse(text)
        if token.type in ("fence", "code_block")
    ]
