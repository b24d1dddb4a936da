"""Tasks whose reply copies from the prompt, made from short pieces of prose and code: repeat, change a word, correct.

A small model learns to copy from many different texts, not from one text asked often; and where the reply copies,
the draft and the target agree. The ways to ask and the code are the project's own, the prose comes from the corpus.
"""

from __future__ import annotations

import ast
import io
import random
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator

SHORTEST, LONGEST = 40, 420
"""Characters of a piece."""
SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
PLAIN = re.compile(r"[A-Za-z0-9 ,.;:!?'\"()-]+")
FENCED = re.compile(r"```python\n(.+?)```", re.DOTALL)
TURNS = 40
"""Tasks from each piece of code, its names different every time."""
Task = tuple[str, str]

REPEAT = ("Repeat this text", "Repeat exactly", "Copy this text", "Copy this", "Say this again, word for word",
          "Write this text once more", "Type this out", "repeat after me", "Give this text back unchanged",
          "Repeat this text exactly", "Copy this letter", "Repeat this word for word")  # fmt: skip
FIRST = ("Sum this up in one sentence", "Give the main point", "Summarise this", "tl;dr", "What is this text about?",
         "What is the main idea here?", "Summarise in a sentence", "Give me the gist of this")  # fmt: skip
CORRECT = ("Correct the spelling", "Fix the typos", "Correct the mistakes in this text", "fix the spelling please",
           "Please correct this text", "Spell this right", "Correct the spelling of this text")  # fmt: skip
CHANGE = ("Change {0} to {1} in this text", "Rewrite this and change {0} to {1}", "Replace {0} with {1}",
          "Write {1} instead of {0}", "Use {1} and not {0} here", "Rename {0} to {1}",
          "Rewrite this text and change {0} to {1}", "Copy this letter and change {0} to {1}")  # fmt: skip
FORM = (
    ("Write this in capital letters", str.upper),
    ("Make this lower case", str.lower),
    ("Write each sentence on its own line", lambda text: "\n".join(SENTENCE.split(text))),
    ("Make a list of these sentences", lambda text: "\n".join(f"- {s}" for s in SENTENCE.split(text))),
    ("What is the first sentence?", lambda text: SENTENCE.split(text)[0]),
    ("What is the last sentence?", lambda text: SENTENCE.split(text)[-1]),
    ("Put this in quotes", lambda text: f'"{text}"'),
)  # fmt: skip
AGAIN = ("Repeat this code", "Copy this code", "Write this code again", "Type this code out", "Give this code back")
RENAME = ("Rename {0} to {1} in this code", "Change {0} to {1} in this code", "Rename {0} to {1}",
          "Call it {1} instead of {0}", "Use the name {1} instead of {0} in this code")  # fmt: skip
REMARK = ("Add a comment to this code", "Put a comment above this code", "Comment this code", "Add a comment here")


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


def code_tasks(answers: Iterable[str], rng: random.Random) -> Iterator[Task]:
    """Repeat, rename and comment the Python in these answers, under ever new names."""
    found = list(dict.fromkeys(code for text in answers for code in FENCED.findall(text) if len(code) <= LONGEST))
    names = sorted({name for code in found for name in _names(code)})
    for code in found:
        for _ in range(TURNS):
            known = _names(code)
            others = [name for name in names if name not in known]
            fresh = rng.sample(others, min(len(known), len(others), rng.randrange(4)))
            new = code
            for old, other in zip(rng.sample(known, len(fresh)), fresh, strict=True):
                new = _renamed(new, old, other)
            yield _code_task(new.strip(), names, rng)


def _names(code: str) -> list[str]:
    """What is defined or assigned in this code, and so can have another name; nothing where it is no whole Python."""
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except SyntaxError:
        return []
    made = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    made |= {n.name for n in nodes if isinstance(n, ast.FunctionDef)} | {n.arg for n in nodes if isinstance(n, ast.arg)}
    return sorted(name for name in made if len(name) > 2)


def _renamed(code: str, old: str, new: str) -> str:
    """The name alone: words in strings and comments stay."""
    lines = code.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(code).readline))):
        if token.type == tokenize.NAME and token.string == old:
            row, at = token.start
            lines[row - 1] = lines[row - 1][:at] + new + lines[row - 1][at + len(old) :]
    return "".join(lines)


def _code_task(code: str, names: list[str], rng: random.Random) -> Task:
    known = _names(code)
    fresh = [name for name in names if name not in known]
    if known and fresh and rng.random() < 0.5:
        old, new = rng.choice(known), rng.choice(fresh)
        wish, reply = rng.choice(RENAME).format(old, new), _renamed(code, old, new)
    elif rng.random() < 0.3:
        defined = re.search(r"def (\w+)", code)
        remark = f"# The function {defined[1]}." if defined else f"# Some lines about {', '.join(known) or 'printing'}."
        wish, reply = rng.choice(REMARK), f"{remark}\n{code}"
    else:
        wish, reply = rng.choice(AGAIN), code
    asked = f"```python\n{code}\n```" if rng.random() < 0.3 else code
    return f"{wish}:\n{asked}", f"```python\n{reply}\n```"


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
