"""What the recipe holds out to judge by: examples, phrasings and texts that are never learnt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from corpora import make_corpus, pack, write

RECIPE = Path(__file__).parent.parent / "assets/recipe"


@pytest.fixture(autouse=True)
def _recipe_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RECIPE))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return make_corpus(tmp_path / "corpus")


def test_held_out_examples_are_in_no_phrasing_among_the_others(tmp_path: Path) -> None:
    import random

    from corpus import HELD_EVERY, chats, held_chats

    items = [{"q": [f"question {i}?", f"other {i}"], "a": f"answer {i}"} for i in range(10 * HELD_EVERY)]
    folder = write(tmp_path / "examples", *items)
    pack(tmp_path / "chat.jsonl.xz", [])
    trained = {m["content"] for _, said in chats(tmp_path, folder, random.Random(0)) for m in said[1::2]}
    held = {said[1]["content"] for said in held_chats(folder)}
    assert 5 <= len(held) <= 15 and not held & trained
    assert len(held | trained) == len(items)
    grown = write(tmp_path / "more", {"q": ["a new one"], "a": "first"}, *items)
    assert held <= {said[1]["content"] for said in held_chats(grown)}, "what was held out stays so"


def test_phrasings_that_are_held_out_are_learnt_in_no_case_and_with_no_mark(tmp_path: Path) -> None:
    import random

    from check import normal
    from corpus import REWORDED_EVERY, chats, is_held, reworded_chats

    items = [{"q": [f"What is {i}?", f"tell me of {i}", f"and {i}"], "a": f"answer {i}"} for i in range(300)]
    folder = write(tmp_path / "examples")
    (folder / "first.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    pack(tmp_path / "chat.jsonl.xz", [])
    asked = {
        normal(m["content"])
        for _, said in chats(tmp_path, folder, random.Random(0))
        for m in said
        if m["role"] == "user"
    }
    kept = list(reworded_chats(folder))
    assert 600 < len(kept) * REWORDED_EVERY < 1200
    assert not asked & {normal(said[0]["content"]) for said in kept}
    learnt = [item for item in items if not is_held(item)]
    assert all(asked & set(map(normal, item["q"])) for item in learnt), "each question is learnt in some words"
    answers = {q: item["a"] for item in learnt for q in item["q"]}
    assert all(answers[said[0]["content"]] == said[1]["content"] for said in kept)


def test_what_is_held_out_of_the_corpus_does_not_hang_on_the_examples(tmp_path: Path, corpus: Path) -> None:
    from prepare import prepare

    held = []
    for name, more in (("one", []), ("two", [{"q": ["Is this new?", "new"], "a": "It is."}])):
        examples = write(corpus / "examples", *[json.loads(x) for x in (corpus / "examples/a.jsonl").open()], *more)
        prepare(corpus, tmp_path / name, vocab=300, examples=examples)
        items = [json.loads(line) for line in (tmp_path / name / "held.jsonl").open()]
        held.append([item for item in items if item["kind"] in ("chat", "prose")])
    assert held[0] == held[1] and len(held[0]) > 2
