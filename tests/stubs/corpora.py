"""A little text to make a model pair of: for the tests of its recipe."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

COLOURS = ("red", "green", "blue", "white", "black", "yellow", "brown", "pink")
THINGS = ("house", "boat", "bird", "stone", "apple", "river", "chair", "cloud")


def write(folder: Path, *items: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return folder


def pack(path: Path, items: list[dict[str, Any]]) -> None:
    with lzma.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(item) + "\n" for item in items)


def make_corpus(folder: Path) -> Path:
    """A little text of every kind, and a few examples."""
    folder.mkdir()
    pairs = [(c, t) for c in COLOURS for t in THINGS]
    chats = [
        {"role": role, "content": text}
        for c, t in pairs
        for role, text in (("user", f"What is the {t} like?"), ("assistant", f"The {t} is {c}."))
    ]
    sources = ["oasst/root", "dolly/qa"]
    said = [{"source": sources[i // 2 % 2], "messages": chats[i : i + 2]} for i in range(0, len(chats), 2)]
    pack(folder / "chat.jsonl.xz", said)
    prose = [{"source": f"gutenberg/{k}/1", "text": f"The {c} {t} stood there. " * 9} for k in ("kids", "general")
             for c, t in pairs]  # fmt: skip
    pack(folder / "prose.jsonl.xz", [*prose, {"source": "onestop/1", "text": "A short text of today. " * 20}])
    items = [{"q": [f"A {c} {t}?", f"{c} {t}"], "a": f"Here is a {c} {t}."} for c, t in pairs]
    write(folder / "examples", *items)
    first = [
        {"q": [f"Where is the {t}?", f"find the {t}", f"the {t}, where"], "a": f"The {t} is there."} for t in THINGS
    ]
    (folder / "examples/first.jsonl").write_text("".join(json.dumps(item) + "\n" for item in first), encoding="utf-8")
    return folder
