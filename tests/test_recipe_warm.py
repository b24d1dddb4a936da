"""The recipe's short run: tasks that copy, joined chats, windows where texts begin, weights to go on from."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

RECIPE = Path(__file__).parent.parent / "assets/recipe"
TEXTS = [
    "The river runs past the old mill. A heron stands there. Nobody sees it leave, though Anna waits for an hour.",
    "Bread needs flour, water, salt and time. The baker starts at three. By six the shop smells of warm crust.",
    "A comet is a lump of ice and dust. Near the sun it grows a tail. The tail always points away from the sun.",
] * 4


@pytest.fixture(autouse=True)
def _recipe_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RECIPE))


def test_a_task_is_answered_from_its_own_prompt() -> None:
    from tasks import LONGEST, SHORTEST, pieces, tasks

    found = list(pieces(TEXTS))
    assert found and all(SHORTEST <= len(piece) <= LONGEST and piece[-1] in ".!?" for piece in found)
    made = [task for seed in range(20) for task in tasks(TEXTS, random.Random(seed))]
    assert made == [task for seed in range(20) for task in tasks(TEXTS, random.Random(seed))], "the same every time"
    assert len({question.split(":")[0] for question, _ in made}) > 20
    known = {word.strip('.,"-').lower() for text in TEXTS for word in text.split()}
    for _, answer in made:
        words = {word.strip('.,"-').lower() for word in answer.split()}
        assert answer and words <= known | {""}, answer


def test_a_changed_word_is_gone_and_a_spoilt_text_comes_back_right() -> None:
    from tasks import CHANGE, CORRECT, tasks

    made = [task for seed in range(30) for task in tasks(TEXTS, random.Random(seed))]
    changed = [(q, a) for q, a in made if q.startswith("Replace ")]
    corrected = [(q, a) for q, a in made if q.startswith(CORRECT)]
    assert changed and corrected and len(CHANGE) > 3
    for question, answer in changed:
        old, new = question.split(":")[0].removeprefix("Replace ").split(" with ")
        assert new in answer and (old == new or f" {old} " not in f" {answer} ")
    assert any(answer not in question for question, answer in corrected)
    assert all(any(answer in text for text in TEXTS) for _, answer in corrected)


ANSWER = 'So:\n```python\ndef area(width, height):\n    total = width * height\n    print("total", total)\n```\nDone.'
OTHER = '```python\nfor apple in basket:\n    print("total", apple)\n```'


def test_code_comes_back_whole_under_new_names_and_its_strings_as_they_were() -> None:
    import ast

    from tasks import AGAIN, RENAME, TURNS, code_tasks

    made = list(code_tasks([ANSWER, OTHER, ANSWER, "no code here"], random.Random(0)))
    assert len(made) == 2 * TURNS, "the same code once"
    assert len({question for question, _ in made}) > TURNS // 2
    for question, answer in made:
        wish, asked = question.split(":\n", 1)
        code = answer.removeprefix("```python\n").removesuffix("\n```")
        assert ast.parse(code) and '"total"' in code
        if wish in AGAIN:
            assert code in asked
        if wish.startswith("Rename "):
            old, new = wish.removesuffix(" in this code").removeprefix("Rename ").split(" to ")
            assert f"{new}" in code and old not in code.replace('"total"', "")
    assert {wish for wish in RENAME if any(q.startswith(wish.split("{")[0]) for q, _ in made)} == set(RENAME)


def test_joining_chats_loses_none_and_keeps_each_whole() -> None:
    from corpus import MOST_JOINED, joined, messages

    said = [messages([(f"question {i}", f"answer {i}")]) for i in range(200)]
    chats = list(joined(list(said), random.Random(0)))
    assert sorted(m["content"] for chat in chats for m in chat) == sorted(m["content"] for chat in said for m in chat)
    assert {len(chat) // 2 for chat in chats} == set(range(1, MOST_JOINED + 1))
    for chat in chats:
        for question, answer in zip(chat[::2], chat[1::2], strict=True):
            assert question["content"].replace("question", "answer") == answer["content"]


def test_windows_begin_where_short_texts_do_and_anywhere_in_long_ones(tmp_path: Path) -> None:
    import numpy as np
    import torch
    from batches import Mix
    from corpus import END_OF_TEXT

    text = [7, 8, 9, 10, END_OF_TEXT]
    np.array(text * 40, dtype=np.uint16).tofile(tmp_path / "short.bin")
    np.arange(100, 1100, dtype=np.uint16).tofile(tmp_path / "long.bin")

    def firsts(group: str) -> set[int]:
        (tmp_path / "sources.json").write_text(json.dumps({group: {"start": 1, "end": 1}}))
        ids, wanted = Mix(tmp_path, 0).batch(64, 16, 0.5, torch.device("cpu"))
        assert ids.shape == wanted.shape == (64, 16) and torch.equal(ids[:, 1:], wanted[:, :-1])
        return set(ids[:, 0].tolist())

    assert firsts("short") == {7}
    assert len(firsts("long")) > 20


def test_a_deeper_model_begins_as_the_one_it_goes_on_from(tmp_path: Path) -> None:
    import torch
    from shapes import Shape, build
    from train import begin_with

    torch.manual_seed(0)
    small = build(Shape(32, 1, 2, 1, 48), 60, 16)
    small.save_pretrained(tmp_path)
    deep = build(Shape(32, 3, 2, 1, 48), 60, 32)
    ids = torch.arange(12)[None]
    with torch.no_grad():
        wanted = small(input_ids=ids).logits
        assert not torch.allclose(deep(input_ids=ids).logits, wanted, atol=1e-3)
        begin_with(deep, tmp_path)
        assert torch.allclose(deep(input_ids=ids).logits, wanted, atol=1e-5)


def test_a_known_tokenizer_is_kept(tmp_path: Path) -> None:
    """`--tokenizer FOLDER` and the mix for a short run."""
    import lzma

    from prepare import main
    from tokenizers import Tokenizer

    for name, items in {
        "chat.jsonl.xz": [{"source": "oasst/root", "messages": [{"role": "user", "content": f"Say {i}"},
                          {"role": "assistant", "content": f"It is {i}."}]} for i in range(30)],
        "prose.jsonl.xz": [{"source": "openstax/1", "text": text} for text in TEXTS],
    }.items():  # fmt: skip
        with lzma.open(tmp_path / name, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(item) + "\n" for item in items)
    (tmp_path / "own").mkdir()
    own = [{"q": [f"What is {i}?"], "a": f"A number like {i}."} for i in range(50)]
    (tmp_path / "own/a.jsonl").write_text("".join(json.dumps(item) + "\n" for item in own))
    known = RECIPE.parent / "target"
    arguments = ["--corpus", str(tmp_path), "--examples", str(tmp_path / "own"), "--out", str(tmp_path / "data")]
    assert main([*arguments, "--tokenizer", str(known), "--mix", "short"]) == 0
    kept = Tokenizer.from_file(str(tmp_path / "data/tokenizer.json"))
    assert kept.get_vocab() == Tokenizer.from_file(str(known / "tokenizer.json")).get_vocab()
    sources = json.loads((tmp_path / "data/sources.json").read_text())
    assert set(sources) == {"own", "tasks", "oasst", "modern"} and sources["own"]["start"] > 0.5
