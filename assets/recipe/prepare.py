"""From text to a tokenizer and token files: one uint16 file a group, two held-out ones, and held.jsonl to judge by.

python assets/recipe/prepare.py --corpus ../shared/corpus --out .pair/data
python assets/recipe/prepare.py --check          look for mistakes in the project's own examples, and no more
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from check import check
from corpus import (
    ASSISTANT,
    END,
    END_OF_TEXT,
    EXAMPLES,
    MIXES,
    SPECIAL,
    SYSTEM,
    SYSTEMS,
    USER,
    Messages,
    chats,
    held_chats,
    messages,
    prose,
    reworded_chats,
)  # fmt: skip
from tasks import code_tasks, tasks
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SYSTEM_SHARE = 0.15
"""Of the chats begin with a system prompt."""
OURS = ("own", "first", "tasks")
"""Groups written or made for this project."""
HELD = 60
"""Documents of a group, at most, that are held out."""
RARE = {"sgd": 0.25, "talk": 0.25, "kids": 0.1, "books": 0.1}
"""Share of a group that the tokenizer is made from: what the pair is to say counts more than what it reads."""


AT_ONCE = 2000
"""Texts encoded together."""
Tokens = npt.NDArray[np.uint16]
T = TypeVar("T")


def make_tokenizer(corpus: Path, folder: Path, vocab: int, rng: random.Random) -> Tokenizer:
    """A byte-level BPE; single digits are tokens."""

    def texts() -> Iterator[str]:
        for group, said in chats(corpus, folder, rng):
            if rng.random() < RARE.get(group, 1):
                yield from (m["content"] for m in said)
        for group, text in prose(corpus):
            if rng.random() < RARE.get(group, 1):
                yield text

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=3,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, said: Messages, system: str | None = None) -> Tokens:
    """A chat as the template renders it, and the end of the text."""
    ids = [SYSTEM, *tokenizer.encode(system).ids, END] if system else []
    for message in said:
        role = USER if message["role"] == "user" else ASSISTANT
        ids += [role, *tokenizer.encode(message["content"].strip()).ids, END]
    return np.array([*ids, END_OF_TEXT], dtype=np.uint16)


def encode_texts(tokenizer: Tokenizer, texts: list[str]) -> list[Tokens]:
    """Pieces of prose, each with the end of the text; some at a time, because encodings are large."""
    found = []
    for at in range(0, len(texts), AT_ONCE):
        for encoding in tokenizer.encode_batch(texts[at : at + AT_ONCE]):
            found.append(np.array([*encoding.ids, END_OF_TEXT], dtype=np.uint16))
    return found


def prepare(
    corpus: Path, out: Path, *, vocab: int, examples: Path = EXAMPLES, known: Path | None = None, mix: str = "long"
) -> None:
    """Write tokenizer.json (that of the folder `known`, if given), GROUP.bin, val_*.bin, held.jsonl, sources.json."""
    rng = random.Random(1)
    out.mkdir(parents=True, exist_ok=True)
    if known:
        tokenizer = Tokenizer.from_file(str(known / "tokenizer.json"))
    else:
        tokenizer = make_tokenizer(corpus, examples, vocab, rng)
    tokenizer.save(str(out / "tokenizer.json"))
    kept: dict[str, list[Messages]] = {}
    for group, said in chats(corpus, examples, rng):
        kept.setdefault(group, []).append(said)
    texts: dict[str, list[str]] = {}
    for group, text in prose(corpus):
        texts.setdefault(group, []).append(text)
    holding = random.Random(3)  # What is held out hangs on the corpus alone: not on the examples, which change.
    held_prose = [text for group in texts.values() for text in _hold(group, holding)]
    apart = random.Random(2)
    made = [*tasks(texts.get("modern", []), apart), *code_tasks(_answers(kept.get("own", [])), apart)]
    kept["tasks"] = [messages([task]) for task in made]
    # The project's own are held out by whole examples, so that no other phrasing of one is trained on.
    others = [saids for group, saids in kept.items() if group not in OURS]
    held_said = [said for saids in others for said in _hold(saids, holding)]
    own = list(held_chats(examples))
    docs = {group: [encode(tokenizer, said, _system(rng)) for said in saids] for group, saids in kept.items()}
    docs |= {group: encode_texts(tokenizer, pieces) for group, pieces in texts.items()}
    docs["val_chat"] = [encode(tokenizer, said) for said in own + held_said]
    docs["val_prose"] = encode_texts(tokenizer, held_prose)
    sources = {}
    for group, documents in docs.items():
        if not documents:
            continue
        rng.shuffle(documents)
        flat = np.concatenate(documents)
        flat.tofile(out / f"{group}.bin")
        if group in MIXES[mix]:
            sources[group] = {**MIXES[mix][group]._asdict(), "tokens": len(flat), "documents": len(documents)}
    (out / "sources.json").write_text(json.dumps(sources, indent=1), encoding="utf-8")
    items = [{"kind": "own", "messages": m} for m in own] + [{"kind": "chat", "messages": m} for m in held_said]
    items += [{"kind": "reworded", "messages": m} for m in reworded_chats(examples)]
    items += [{"kind": "prose", "text": t} for t in held_prose]
    (out / "held.jsonl").write_text("".join(json.dumps(i) + "\n" for i in items), encoding="utf-8")
    total = sum(int(s["tokens"]) for s in sources.values())
    print(f"prepared: {total / 1e6:.1f}M tokens in {len(sources)} groups, {len(items)} documents held out", flush=True)


def _answers(saids: list[Messages]) -> Iterator[str]:
    return (message["content"] for said in saids for message in said if message["role"] == "assistant")


def _hold(documents: list[T], rng: random.Random) -> list[T]:
    """Take some documents out of a group, never all."""
    rng.shuffle(documents)
    count = min(len(documents) // 100 + 1, HELD, len(documents) - 1)
    taken = documents[:count]
    del documents[:count]
    return taken


def _system(rng: random.Random) -> str | None:
    return rng.choice(SYSTEMS) if rng.random() < SYSTEM_SHARE else None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only check the examples")
    parser.add_argument("--examples", type=Path, default=EXAMPLES)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--out", type=Path, default=Path(".pair/data"))
    parser.add_argument("--vocab", type=int, default=16384)
    parser.add_argument("--tokenizer", type=Path, help="a model's folder: its tokenizer instead of a new one")
    parser.add_argument("--mix", choices=MIXES, default="long", help="short and polish: --from a model")
    a = parser.parse_args(arguments)
    count, wrong = check(a.examples)
    print(*wrong, f"{count} examples, {len(wrong)} mistakes", sep="\n")
    if a.check or wrong:
        return bool(wrong)
    prepare(a.corpus, a.out, vocab=a.vocab, examples=a.examples, known=a.tokenizer, mix=a.mix)
    return 0


if __name__ == "__main__":
    sys.exit(main())
