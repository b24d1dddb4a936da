"""What is wrong with the project's own examples: nothing, or `prepare.py --check` and a test say where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIELDS = {"q", "a", "then"}
MOST_WAYS = 12
LONGEST = 1600
"""Characters of one message: a turn has to fit a small context."""
SHORT = 40
"""Characters up to which two answers may be the same: "Yes." is right more than once."""


def normal(question: str) -> str:
    """What two phrasings that differ in case, spaces or final marks have in common."""
    return re.sub(r"\s+", " ", question).strip().lower().rstrip("?.! ")


def check(folder: Path) -> tuple[int, list[str]]:
    """How many items there are in a folder's `.jsonl` files, and one line for each thing wrong with them."""
    asked: dict[str, str] = {}
    answered: dict[str, str] = {}
    count, wrong = 0, []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            place = f"{path.name}:{number}"
            count += 1
            try:
                item = json.loads(line)
            except ValueError:
                wrong.append(f"{place}: no JSON")
                continue
            flaws = list(_form(item))
            if not flaws:
                flaws = [*_texts(item), *_repeated(item, place, asked, answered)]
            wrong += [f"{place}: {flaw}" for flaw in flaws]
    return count, wrong


def _form(item: Any) -> Iterator[str]:
    """Fields and their types."""
    if not isinstance(item, dict) or not FIELDS - {"then"} <= set(item) <= FIELDS:
        yield "the fields are q, a and perhaps then"
        return
    ways, follow = item["q"], item.get("then", [])
    if not isinstance(ways, list) or not 1 <= len(ways) <= MOST_WAYS or not all(isinstance(q, str) for q in ways):
        yield f"q is a list of 1 to {MOST_WAYS} texts"
    if not isinstance(item["a"], str):
        yield "a is a text"
    pairs = isinstance(follow, list) and all(isinstance(turn, list) and len(turn) == 2 for turn in follow)
    if not pairs or not all(isinstance(text, str) for turn in follow for text in turn) or item.get("then") == []:
        yield "then is a list of [question, answer]"


def _texts(item: dict[str, Any]) -> Iterator[str]:
    """Lengths, characters and code fences of every text."""
    for text in [*item["q"], item["a"], *(part for turn in item.get("then", []) for part in turn)]:
        shown = text[:40]
        if not text.strip() or text != text.strip():
            yield f"{shown!r} is empty or has spaces around it"
        if len(text) > LONGEST:
            yield f"{shown!r} is longer than {LONGEST} characters"
        if not text.replace("\n", "").isprintable():
            yield f"{shown!r} has characters that cannot be printed"
        if text.count("```") % 2:
            yield f"{shown!r} has a code fence left open"


def _repeated(item: dict[str, Any], place: str, asked: dict[str, str], answered: dict[str, str]) -> Iterator[str]:
    """Questions and answers that an earlier place has too."""
    for key in map(normal, item["q"]):
        if asked.setdefault(key, place) != place:
            yield f"{key[:60]!r} is asked in {asked[key]} too"
    if len(set(map(normal, item["q"]))) < len(item["q"]):
        yield "two phrasings are the same"
    answer = item["a"]
    if len(answer) > SHORT and answered.setdefault(answer, place) != place:
        yield f"the answer {answer[:40]!r} is given in {answered[answer]} too"
