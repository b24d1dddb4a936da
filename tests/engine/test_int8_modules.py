"""Int8 in architectures that are not our own decoder: near the float logits, lossless, and refused where unsound."""

from __future__ import annotations

import pytest
import tiny
import torch
import zoo
from torch import nn

from engine import Engine, HelixError, Request, Speculation
from engine.models.int8_modules import Int8Module
from engine.models.paged import PagedModel, Span
from engine.models.quantize import Int8Linear, int8_support
from engine.models.selfcheck import attach

pytestmark = pytest.mark.skipif(int8_support() is None, reason="this torch has no int8 linears")
KINDS = ("gpt2", "opt", "gemma2", "gpt_neox", "falcon", "phi3")
"""Conv1D; biases; softcaps and windows; partial rope; a subclass of nn.Linear; stacked projections."""


def quantized(kind: str, *, exact: bool = False) -> PagedModel:
    attached = attach(tiny.build(kind, attn_implementation="eager"), 160, int8="oneDNN unsigned")
    assert attached.int8, attached.no_int8
    return attached.paged(12, exact=exact)


@pytest.mark.parametrize("kind", KINDS)
def test_every_linear_is_int8_and_logits_stay_near(kind: str) -> None:
    ids = tiny.prompt(40, 2)
    wanted = tiny.logits(tiny.build(kind, attn_implementation="eager"), ids)
    model = quantized(kind)
    assert not [name for name, m in model.model.named_modules() if isinstance(m, nn.Linear)]
    assert any(isinstance(m, Int8Module) for m in model.model.modules())
    assert model.weights[0] == "int8"
    assert model.weights[1] < 0.6 * sum(p.numel() * 4 for p in tiny.build(kind).parameters())
    got = model.forward([Span(model.table(), torch.tensor(ids), 40)])
    error = (got - wanted).norm() / wanted.norm()
    assert 0 < error < 0.15, f"{kind}: {error:.3f}"


@pytest.mark.parametrize("kind", ["gpt2", "gemma2"])
def test_a_row_is_bitwise_the_same_in_any_company_with_exact(kind: str) -> None:
    model, ids = quantized(kind, exact=True), torch.tensor(tiny.prompt(24, 3))
    together, alone = model.table(), model.table()
    wanted = torch.cat([model.forward([Span(together, ids[:17], 17)]), model.forward([Span(together, ids[17:], 7)])])
    rows = [model.forward([Span(alone, ids[i : i + 1], 1)]) for i in range(24)]
    assert torch.equal(torch.cat(rows), wanted)


def test_an_engine_is_lossless_against_its_own_baseline(models: tiny.Models) -> None:
    request = {"prompt_ids": tiny.prompt(20, 4), "max_tokens": 30}
    with Engine.load(models.target("gpt2"), models.near("gpt2"), device="cpu", dtype="int8") as engine:
        assert engine.loaded.target.dtype == "int8"
        plain = engine.generate(Request(**request, speculation=Speculation(0)))
        fast = engine.generate(Request(**request, speculation=Speculation(4)))
    assert plain.token_ids == fast.token_ids
    assert fast.usage.accepted > 0


def test_experts_in_one_tensor_are_refused_with_the_reason(models: tiny.Models) -> None:
    folder = tiny.save(zoo.Kind("mixtral").build(), models._root / "mixtral")
    with pytest.raises(HelixError, match=r"experts are kept in one tensor.*choose float32 or bfloat16"):
        Engine.load(folder, None, device="cpu", dtype="int8")


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_model_whose_int8_numbers_are_wrong_stays_in_float(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Int8Linear.__call__
    monkeypatch.setattr(Int8Linear, "__call__", lambda self, x: right(self, x).clamp(max=0))
    model = tiny.build(kind, attn_implementation="eager")
    ids = tiny.prompt(10, 5)
    wanted = tiny.logits(model, ids)[-1]
    attached = attach(model, 160, int8="oneDNN unsigned")
    assert not attached.int8
    assert attached.no_int8 is not None
    assert "wrong numbers" in attached.no_int8
    paged = attached.paged(8)
    assert torch.allclose(paged.forward([Span(paged.table(), torch.tensor(ids), 1)])[0], wanted, atol=1e-4)
