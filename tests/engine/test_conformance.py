"""Every architecture of the zoo gives the greedy tokens of transformers' own `generate`, every way it can run."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import zoo

from engine import Engine, Request, Speculation, UnsupportedModel
from engine.models.selfcheck import attach, attach_stateful

LENGTH = 14
PROMPTS = [tiny.prompt(3, 1), tiny.prompt(18, 2), tiny.prompt(37, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_greedy_tokens_are_those_of_generate(name: str, tmp_path: Path) -> None:
    kind = zoo.Kind(name)
    target = tiny.save(kind.build(), tmp_path / "target")
    near = tiny.save(tiny.nudge(kind.build(), 0.03), tmp_path / "near")
    reference = tiny.load(target)
    wanted = [tiny.greedy(reference, prompt, LENGTH) for prompt in PROMPTS]
    assert any(len(set(reply)) > 2 for reply in wanted), "constant replies prove nothing"

    requests = [Request(prompt_ids=p, max_tokens=LENGTH, speculation=Speculation(depth=3)) for p in PROMPTS]
    with Engine.load(target, near, device="cpu", prefill_chunk=16) as engine:
        together = engine.generate_batch(requests)
        assert [reply.token_ids for reply in together] == wanted
        assert sum(reply.usage.accepted for reply in together) > 0
        plain = Request(prompt_ids=PROMPTS[1], max_tokens=LENGTH, speculation=Speculation(depth=0))
        assert engine.generate(plain).token_ids == wanted[1]
    with Engine.load(target, draft=None, device="cpu") as engine:
        assert [reply.token_ids for reply in engine.generate_batch(requests)] == wanted

    for way in zoo.ways(kind.build()):
        assert zoo.decode(way.paged(24), PROMPTS, wanted) == wanted, way.attention
    lines = zoo.TABLE.read_text(encoding="utf-8").splitlines()
    assert zoo.row(name) in lines, "engine/ARCHITECTURES.md is out of date: run python tests/engine/zoo.py"


@pytest.mark.parametrize("name", sorted(zoo.REFUSED | zoo.STATEFUL))
def test_what_cannot_be_paged_is_refused_with_the_reason(name: str) -> None:
    model = zoo.Kind(name).build()
    with pytest.raises(UnsupportedModel, match="choose another model") as refusal:
        attach(model, 100)
    if name in zoo.REFUSED:
        with pytest.raises(UnsupportedModel, match="choose another model"):
            attach_stateful(model, refusal.value)


def test_the_table_names_the_whole_zoo() -> None:
    text = zoo.TABLE.read_text(encoding="utf-8")
    assert len(zoo.ZOO) >= 30
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == sorted(zoo.ZOO)
    assert all(f"`{name}`" in text for name in zoo.REFUSED | zoo.STATEFUL)
