"""The recipe of the bundled pair: its examples are sound, and a toy pair goes through every stage."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from corpora import make_corpus, write

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "assets/recipe"
GOOD = {"q": ["What is tea?", "tea"], "a": "A drink.", "then": [["Is it hot?", "Often."]]}


@pytest.fixture(autouse=True)
def _recipe_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files import one another by name, as they do when one of them is run."""
    monkeypatch.syspath_prepend(str(RECIPE))


def test_there_are_four_thousand_examples_and_nothing_is_wrong_with_them() -> None:
    from check import check

    count, wrong = check(RECIPE / "examples")
    assert wrong == []
    assert count >= 4000


LONG = "A long answer that says the same thing to two different questions."


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"q": ["x"]}], "the fields are"),
        ([{**GOOD, "note": 1}], "the fields are"),
        ([["x"]], "the fields are"),
        ([{**GOOD, "q": []}], "q is a list"),
        ([{**GOOD, "q": "x"}], "q is a list"),
        ([{**GOOD, "a": 3}], "a is a text"),
        ([{**GOOD, "then": [["one"]]}], "then is a list"),
        ([{**GOOD, "then": []}], "then is a list"),
        ([{**GOOD, "a": " x"}], "spaces around it"),
        ([{**GOOD, "a": ""}], "is empty"),
        ([{**GOOD, "a": "x" * 2000}], "longer than"),
        ([{**GOOD, "a": "a\x07b"}], "cannot be printed"),
        ([{**GOOD, "then": [["code?", "```python\nx"]]}], "fence left open"),
        ([{**GOOD, "q": ["tea", "Tea?"]}], "two phrasings are the same"),
        ([GOOD, {"q": ["what is  TEA"], "a": "Leaves."}], "asked in a.jsonl:1 too"),
        ([{"q": ["one"], "a": LONG}, {"q": ["two"], "a": LONG}], "given in a.jsonl:1 too"),
    ],
)
def test_a_flaw_is_found_and_named(tmp_path: Path, items: list[Any], words: str) -> None:
    from check import check

    count, wrong = check(write(tmp_path / "examples", *items))
    assert count == len(items)
    assert len(wrong) == 1 and wrong[0].startswith(f"a.jsonl:{len(items)}: ") and words in wrong[0]


def test_good_items_and_short_answers_that_recur_pass(tmp_path: Path) -> None:
    from check import check

    items = [GOOD, {"q": ["Is ice cold?"], "a": "Yes."}, {"q": ["Is fire hot?"], "a": "Yes."}]
    assert check(write(tmp_path / "examples", *items)) == (3, [])
    (tmp_path / "examples/a.jsonl").write_text("{\n")
    assert check(tmp_path / "examples") == (1, ["a.jsonl:1: no JSON"])


@pytest.mark.parametrize(
    ("reply", "answer", "share"),
    [
        ("The sea is salt.", "the SEA is salt", 1.0),
        ("the sea is deep", "the sky is blue", 0.5),
        ("no no no no", "no", 0.4),
        ("", "yes", 0.0),
        ("", "", 0.0),
    ],
)
def test_replies_are_compared_by_their_words(reply: str, answer: str, share: float) -> None:
    from evaluate import alike, answered

    assert alike(reply, answer) == share
    assert answered([{"prompt": "x", "reply": reply}], {"x": answer}) == (share >= 0.5)


def test_parcels_come_back_whole_or_not_at_all(tmp_path: Path) -> None:
    from parcels import unwrap, wrap

    source = tmp_path / "model"
    (source / "deep").mkdir(parents=True)
    (source / "deep/weights").write_bytes(bytes(range(256)) * 40)
    parcels = wrap([source], tmp_path / "out", "model", 4000)
    assert len(parcels) > 2 and max(p.stat().st_size for p in parcels) == 4000
    last = parcels[-1].read_bytes()
    parcels[-1].unlink()
    assert not unwrap(tmp_path / "out", "model", tmp_path / "back")
    parcels[-1].write_bytes(last[:-1] + b"x")
    with pytest.raises(ValueError, match="damaged"):
        unwrap(tmp_path / "out", "model", tmp_path / "back")
    parcels[-1].write_bytes(last)
    assert unwrap(tmp_path / "out", "model", tmp_path / "back")
    assert (tmp_path / "back/model/deep/weights").read_bytes() == (source / "deep/weights").read_bytes()


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        ("no no no", True), ("the cat sat and the cat sat and the cat sat and", True), ("very very good", False),
        ("one two three one two four", False), ("", False),
    ],
)  # fmt: skip
def test_loops_are_seen(text: str, is_loop: bool) -> None:
    from evaluate import loops

    assert loops(text) is is_loop


def test_scales_are_those_that_are_stored() -> None:
    import torch
    from export import quantised

    weight = torch.randn(8, 32, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 8)[:, None]
    values, scales = quantised(weight)
    assert values.dtype == torch.int8 and scales.dtype == torch.bfloat16 and scales.shape == (8, 1)
    assert ((values.float() * scales.float() - weight).abs() <= 1.01 * scales.float()).all()
    assert ((values.float() * scales.float() - weight).norm(dim=1) / weight.norm(dim=1)).max() < 0.02


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return make_corpus(tmp_path / "corpus")


@pytest.fixture
def threads() -> Iterator[None]:
    import torch

    if not hasattr(torch.optim, "Muon"):
        pytest.skip("training needs a newer torch")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_a_toy_pair_goes_through_every_stage(
    tmp_path: Path, corpus: Path, threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packed, taken, trained in four calls, given, joined, and loaded by Helix."""
    import evaluate
    import make
    from make import main

    from engine import Engine, Request, Speculation

    def names(folder: Path) -> set[str]:
        return {p.name.split(".")[0] for p in folder.iterdir()}

    here, there, given = tmp_path / "here", tmp_path / "there", [tmp_path / f"given{i}" for i in range(3)]
    assert main(["--work", str(here), "pack", "--corpus", str(corpus), "--largest", "2000"]) == 0
    folders = sorted(here.glob("up*"))
    assert len(folders) > 1
    for folder in folders:
        assert main(["--store", str(there), "take", str(folder)]) == 0
    go = ["--store", str(there), "go", "--size", "toy", "--threads", "1", "--examples", str(corpus / "examples")]
    assert main([*go, "--minutes", "0"]) == 0
    assert not list(there.glob("*.done")), "no time, no stage"
    with monkeypatch.context() as cut:
        cut.setattr(make.Job, "target", lambda self: False)
        assert main([*go, "--minutes", "30"]) == 0
    assert {p.name for p in there.glob("*.done")} == {"prepare.done"}, "a stage that was cut is not done"
    later = [*go, "--minutes", "30", "--give"]
    with monkeypatch.context() as tight:
        tight.setattr(make, "FULL", 0)
        assert main([*later, str(given[0])]) == 0
    assert names(given[0]) == {"target"}, "no room for more in what comes back"
    with monkeypatch.context() as broken:
        broken.setattr(evaluate, "evaluate", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main([*later, str(given[1])])
    assert names(given[1]) == {"draft"}, "what was made before a stage fails is given all the same"
    assert main([*later, str(given[2])]) == 0
    assert len(list(there.glob("*.done"))) == 6
    assert main(["--work", str(here), "join", *map(str, given)]) == 0

    found = json.loads((here / "out/evaluation/evaluation.json").read_text())
    prompts = found["replies"]["temperature 0"]["prompts"]
    assert 1 <= prompts <= 4
    reworded = found["replies"]["learnt in other words"]
    assert 0 <= reworded["answered"] <= reworded["prompts"] and reworded["prompts"] > 0
    assert {f"{who} {role} own" for who in ("this", "beside") for role in ("target", "draft")} <= set(found["loss"])
    assert (here / "out/evaluation/samples.md").read_text().count("on topic: [ ]") == 2 * prompts + reworded["prompts"]
    config = json.loads((here / "out/target/config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "compressed-tensors"
    with Engine.load(here / "out/target", here / "out/draft", device="cpu") as engine:
        request = {"messages": [{"role": "user", "content": "A red house?"}], "max_tokens": 12}
        fast, plain = (engine.generate(Request(**request, speculation=Speculation(d))) for d in (4, 0))
    assert fast.token_ids == plain.token_ids


@pytest.mark.slow
def test_training_goes_on_where_it_stopped(tmp_path: Path, corpus: Path, threads: None) -> None:
    import torch
    from prepare import prepare
    from shapes import SHAPES, build
    from training import Plan, Run

    torch.set_num_threads(1)
    prepare(corpus, tmp_path / "data", vocab=300, examples=corpus / "examples")

    def run(steps: int) -> Run:
        torch.manual_seed(0)
        plan = Plan(steps=steps, rows=4, context=32)
        return Run(build(SHAPES["toy-draft"], 300, 32), tmp_path / "data", tmp_path / "state.pt", plan)

    first = run(3)
    before = first.evaluate()
    first.go(1)
    assert first.done and first.progress.steps == 3
    second = run(40)
    assert second.progress.steps == 3 and not second.done
    assert second.evaluate() == first.evaluate()
    second.go(1)
    assert second.progress.steps == 40
    assert second.evaluate()["val_chat"] < before["val_chat"] - 0.5
    assert [entry["steps"] for entry in second.progress.log] == [3, 40]


@pytest.mark.slow
def test_the_recipe_is_typed_and_its_files_are_short() -> None:
    import subprocess

    files = sorted(RECIPE.glob("*.py"))
    assert {p.name: n for p in files if (n := len(p.read_text(encoding="utf-8").splitlines())) > 300} == {}
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--explicit-package-bases", "--cache-dir", str(ROOT / ".mypy_cache/recipe"), *(p.name for p in files)]
    environment = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, (RECIPE, ROOT)))}
    done = subprocess.run(command, cwd=RECIPE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
