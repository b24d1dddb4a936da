"""The text that the pair learns from: groups of chats and prose, and how much of each it sees when."""

from __future__ import annotations

import json
import lzma
import random
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from check import normal

ASKED_FIRST = "first*.jsonl"
"""The files of what strangers ask first."""
SPECIAL = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
SPECIAL += [f"<|reserved_{i}|>" for i in range(3)]
END_OF_TEXT, SYSTEM, USER, ASSISTANT, END = range(5)
TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] | trim + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
EXAMPLES = Path(__file__).parent / "examples"
GROUPS = {
    "oasst": "oasst", "dolly": "dolly", "gsm8k": "gsm8k", "selfdialogue": "talk", "personachat": "talk", "sgd": "sgd",
    "tldr": "tldr", "wordset": "wordset", "trivia": "trivia", "onestop": "simplify", "factbook": "small",
    "openstax": "small", "storybooks": "small", "selfinstruct": "small", "personalitychat": "hello",
    "chatterbot": "hello",
}  # fmt: skip
"""Group of a chat item by the first part of its source."""
SYSTEMS = [
    "You are Helix, a friendly assistant that runs on the user's own machine.",
    "You are a helpful assistant.",
    "You are Helix. Answer briefly and plainly.",
    "You are a helpful, honest and friendly assistant.",
]
HELD_EVERY = 40
"""About one of so many of the project's own examples is never trained on."""
REWORDED_EVERY = 15
"""About one of so many phrasings is never trained on, though its question is, in other words."""
FOLLOWED = 0.6
"""Share of the phrasings of an example that keep its follow-ups."""
ALONE = 0.5
"""Share of the own chats that are not joined with others."""
MOST_JOINED = 5
ASKING = {"who", "what", "how", "why", "where", "when", "can", "do", "does", "are", "is"}
"""First words of a question."""
Messages = list[dict[str, str]]


class Share(NamedTuple):
    """Of the batches: at the start of training, and at its end."""

    start: float
    end: float


SHARES = {
    "own": Share(0.06, 0.32), "oasst": Share(0.10, 0.22), "dolly": Share(0.08, 0.17), "modern": Share(0.14, 0.06),
    "kids": Share(0.15, 0.02), "books": Share(0.27, 0.02), "tasks": Share(0.02, 0.04),
    "small": Share(0.02, 0.04), "hello": Share(0.01, 0.03),
    "wordset": Share(0.02, 0.02), "tldr": Share(0.02, 0.02), "trivia": Share(0.015, 0.01), "gsm8k": Share(0.03, 0.03),
    "talk": Share(0.06, 0.02), "sgd": Share(0.02, 0.0), "simplify": Share(0.005, 0.02),
}  # fmt: skip
"""Books teach English first; the last third of training moves to chat, and to the project's own voice."""
SHORT = {
    "own": Share(0.54, 0.58), "tasks": Share(0.20, 0.20), "oasst": Share(0.09, 0.07), "dolly": Share(0.07, 0.06),
    "hello": Share(0.02, 0.02), "small": Share(0.02, 0.02), "modern": Share(0.03, 0.02), "kids": Share(0.02, 0.01),
    "simplify": Share(0.01, 0.01), "wordset": Share(0.01, 0.01), "talk": Share(0.01, 0.0), "books": Share(0.01, 0.01),
}  # fmt: skip
"""For a few million tokens from weights that know English already: what a small model cannot learn is left out."""
POLISH = {
    "own": Share(0.52, 0.52), "first": Share(0.22, 0.22), "tasks": Share(0.12, 0.12), "oasst": Share(0.09, 0.07),
    "dolly": Share(0.07, 0.06), "small": Share(0.02, 0.02), "modern": Share(0.03, 0.02), "kids": Share(0.02, 0.01),
    "simplify": Share(0.01, 0.01), "wordset": Share(0.01, 0.01), "books": Share(0.01, 0.01),
}  # fmt: skip
"""The last few hundred steps, at a low rate: what strangers ask first, and no small talk of other programs."""
FIRST = POLISH | {"own": Share(0.36, 0.36), "first": Share(0.34, 0.34)}
"""For an hour from weights that know the examples: what strangers ask first, in all its words."""
MIXES = {"long": SHARES, "short": SHORT, "polish": POLISH, "first": FIRST}


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a `.jsonl` or `.jsonl.xz` file."""
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def examples(folder: Path = EXAMPLES, files: str = "*.jsonl") -> Iterator[dict[str, Any]]:
    """The project's own items: `q` phrasings, `a` answer, `then` follow-ups."""
    for path in sorted(folder.glob(files)):
        yield from lines(path)


def is_held(item: Mapping[str, Any]) -> bool:
    """Whether an own example is held out: its first question says so, whatever is added around it."""
    return zlib.crc32(item["q"][0].encode()) % HELD_EVERY == 0


def is_reworded(question: str) -> bool:
    """Whether a phrasing is held out, in whatever case and with whatever marks: it says so itself."""
    return zlib.crc32(b"reworded " + normal(question).encode()) % REWORDED_EVERY == 0


def phrasings(item: Mapping[str, Any]) -> list[str]:
    """Those of an own example that may be learnt: one at least."""
    return [q for q in item["q"] if not is_reworded(q)] or item["q"][:1]


def chats(corpus: Path, folder: Path, rng: random.Random) -> Iterator[tuple[str, Messages]]:
    """Group and messages of every chat; the own examples that are held out are left out."""
    for item in lines(corpus / "chat.jsonl.xz"):
        yield GROUPS[item["source"].split("/")[0]], item["messages"]
    yield from (("own", said) for said in joined(list(own_chats(folder, rng)), rng))
    yield from (("first", said) for said in first_chats(folder))


def own_chats(folder: Path, rng: random.Random) -> Iterator[Messages]:
    """Each example that is not held out, once for every way to ask it."""
    for item in examples(folder):
        if is_held(item):
            continue
        asked = phrasings(item)
        plain = [q.lower().rstrip("?.!") for q in asked[:2] if "\n" not in q and len(q) < 80]
        for question in dict.fromkeys([*asked, *plain]):
            follow = item.get("then", []) if rng.random() < FOLLOWED else []
            yield messages([(question, item["a"]), *follow])


def first_chats(folder: Path) -> Iterator[Messages]:
    """What strangers ask first: "Who are you?", "hi"; as it is written in the examples and as a sentence."""
    for item in examples(folder, ASKED_FIRST):
        if not is_held(item):
            asked = phrasings(item)
            for question in dict.fromkeys([*asked, *map(_sentence, asked)]):
                yield messages([(question, item["a"])])


def _sentence(question: str) -> str:
    mark = "" if question[-1] in "?.!" else "?" if question.split()[0].lower() in ASKING else "."
    return question[0].upper() + question[1:] + mark


def joined(said: list[Messages], rng: random.Random) -> Iterator[Messages]:
    """Half of them alone; the others in longer chats of several topics, as people have them."""
    rng.shuffle(said)
    at = 0
    while at < len(said):
        count = 1 if rng.random() < ALONE else rng.randint(2, MOST_JOINED)
        yield [message for chat in said[at : at + count] for message in chat]
        at += count


def held_chats(folder: Path) -> Iterator[Messages]:
    """The own examples that are held out, asked in their first way."""
    for item in examples(folder):
        if is_held(item):
            yield messages([(item["q"][0], item["a"])])


def reworded_chats(folder: Path) -> Iterator[Messages]:
    """What strangers ask first in the ways that are held out, each with the answer that it is to find."""
    for item in examples(folder, ASKED_FIRST):
        learnt = set(phrasings(item))
        if not is_held(item):
            yield from (messages([(q, item["a"])]) for q in item["q"] if q not in learnt)


def messages(turns: list[tuple[str, str]]) -> Messages:
    return [
        {"role": role, "content": text}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]


def prose(corpus: Path) -> Iterator[tuple[str, str]]:
    """Group and text of every piece of prose."""
    for item in lines(corpus / "prose.jsonl.xz"):
        source = item["source"]
        if source.startswith("gutenberg"):
            yield ("kids" if "kids" in source else "books"), item["text"]
        else:
            yield "modern", item["text"]
