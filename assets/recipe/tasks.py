"""Tasks whose reply copies from the prompt, made from short pieces of modern prose: repeat, change a word, correct.

A small model learns to copy from many different texts, not from one text asked often; and where the reply copies,
the draft and the target agree. The ways to ask are the project's own, the pieces come from the corpus.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator

SHORTEST, LONGEST = 40, 420
"""Characters of a piece."""
SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
PLAIN = re.compile(r"[A-Za-z0-9 ,.;:!?'\"()-]+")
Task = tuple[str, str]

REPEAT = ("Repeat this text", "Repeat exactly", "Copy this text", "Copy this", "Say this again, word for word",
          "Write this text once more", "Type this out", "repeat after me", "Give this text back unchanged")  # fmt: skip
FIRST = ("Sum this up in one sentence", "Give the main point", "Summarise this", "tl;dr", "What is this text about?",
         "What is the main idea here?", "Summarise in a sentence", "Give me the gist of this")  # fmt: skip
CORRECT = ("Correct the spelling", "Fix the typos", "Correct the mistakes in this text", "fix the spelling please",
           "Please correct this text", "Spell this right")  # fmt: skip
CHANGE = ("Change {0} to {1} in this text", "Rewrite this and change {0} to {1}", "Replace {0} with {1}",
          "Write {1} instead of {0}", "Use {1} and not {0} here", "Rename {0} to {1}")  # fmt: skip
FORM = (
    ("Write this in capital letters", str.upper),
    ("Make this lower case", str.lower),
    ("Write each sentence on its own line", lambda text: "\n".join(SENTENCE.split(text))),
    ("Make a list of these sentences", lambda text: "\n".join(f"- {s}" for s in SENTENCE.split(text))),
    ("What is the first sentence?", lambda text: SENTENCE.split(text)[0]),
    ("What is the last sentence?", lambda text: SENTENCE.split(text)[-1]),
    ("Put this in quotes", lambda text: f'"{text}"'),
)  # fmt: skip


def pieces(texts: Iterable[str]) -> Iterator[str]:
    """Runs of one to four whole sentences in plain characters."""
    for number, text in enumerate(texts):
        sentences = SENTENCE.split(" ".join(text.split()))
        at = 0
        while at < len(sentences):
            count = 1 + (number + at) % 4
            piece = " ".join(sentences[at : at + count]).strip()
            at += count
            if SHORTEST <= len(piece) <= LONGEST and PLAIN.fullmatch(piece) and piece[-1] in ".!?":
                yield piece


def tasks(texts: Iterable[str], rng: random.Random) -> Iterator[Task]:
    """One question and answer for every piece."""
    found = list(dict.fromkeys(pieces(texts)))
    words = sorted({w for piece in found for w in re.findall(r"\b[a-z]{4,9}\b|\b[A-Z][a-z]{3,8}\b", piece)})
    kinds: list[Callable[[str], Task | None]] = [
        lambda text: (_ask(rng, rng.choice(REPEAT), text), text),
        lambda text: _changed(text, words, rng),
        lambda text: _corrected(text, rng),
        lambda text: _summed(text, rng),
        lambda text: _formed(text, rng),
    ]
    for piece in found:
        task = rng.choices(kinds, (30, 30, 18, 12, 10))[0](piece)
        if task:
            yield task


def _ask(rng: random.Random, wish: str, text: str) -> str:
    """The wish and the text, in one of the forms that people use."""
    mark = "" if wish.endswith("?") else ":"
    return wish + mark + rng.choice((" ", " ", "\n", "\n\n")) + text


def _changed(text: str, words: list[str], rng: random.Random) -> Task | None:
    """One or two words for others of the same kind: names for names."""
    there = sorted(set(re.findall(r"\b[A-Za-z][a-z]{3,8}\b", text)))
    if not there:
        return None
    old = rng.choice(there)
    new = rng.choice(words)
    new = new.capitalize() if old[0].isupper() else new.lower()
    wish = rng.choice(CHANGE).format(old, new)
    return _ask(rng, wish, text), re.sub(rf"\b{old}\b", new, text)


def _corrected(text: str, rng: random.Random) -> Task:
    """Some words lose, double or swap a letter."""

    def spoil(match: re.Match[str]) -> str:
        word = match.group()
        if rng.random() > 0.15:
            return word
        at = rng.randrange(1, len(word) - 2)
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return rng.choice((word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], swapped))

    return _ask(rng, rng.choice(CORRECT), re.sub(r"\b[A-Za-z]{4,}\b", spoil, text)), text


def _summed(text: str, rng: random.Random) -> Task | None:
    """The sentence that comes first: the plainest summary there is, and a copy."""
    first, *rest = SENTENCE.split(text)
    return (_ask(rng, rng.choice(FIRST), text), first) if rest else None


def _formed(text: str, rng: random.Random) -> Task:
    wish, change = rng.choice(FORM)
    return _ask(rng, wish, text), change(text)
