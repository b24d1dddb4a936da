"""Int8 linears: close to float32, the same whatever shares the forward, and refused where they cannot be."""

from __future__ import annotations

import pytest
import tiny
import torch
import torch.nn.functional as F

from engine import Engine, HelixError, Request, Speculation
from engine.models import quantize
from engine.models.int8_kernels import Kernel, kernels
from engine.models.quantize import Int8Linear, int8_support
from engine.models.selfcheck import attach

needs_int8 = pytest.mark.skipif(int8_support() is None, reason="this torch has no int8 linears")
KINDS = kernels()


def layer(kind: Kernel, *, bias: bool = True) -> tuple[Int8Linear, torch.Tensor, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(48, 64, generator=generator)
    offset = torch.randn(48, generator=generator) if bias else None
    return Int8Linear.of(weight, offset, kind), weight, offset


@needs_int8
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_close_to_the_float_layer(kind: Kernel, bias: bool) -> None:
    linear, weight, offset = layer(kind, bias=bias)
    x = torch.randn(7, 64, generator=torch.Generator().manual_seed(1)) * torch.logspace(-3, 3, 7)[:, None]
    wanted = F.linear(x, weight, offset)
    error = (linear(x) - wanted).norm(dim=1) / wanted.norm(dim=1)
    assert error.max() < 0.03


@needs_int8
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_exactly_the_rounded_product(kind: Kernel) -> None:
    linear, weight, _ = layer(kind, bias=False)
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(2))
    scale = x.abs().amax(1, keepdim=True) / 127
    rounded = (x / scale).round().double()
    whole = (weight / linear.scales[:, None]).round().double()
    wanted = (rounded @ whole.T * linear.scales.double()) * scale.double()
    assert torch.allclose(linear(x).double(), wanted, rtol=1e-5, atol=1e-6)


@needs_int8
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_bitwise_the_same_alone_and_among_others(kind: Kernel) -> None:
    linear, _, _ = layer(kind)
    x = torch.randn(17, 64, generator=torch.Generator().manual_seed(3))
    together = linear(x)
    for rows in (1, 2, 3, 4, 5, 9):
        for start in (0, 8):
            assert torch.equal(linear(x[start : start + rows]), together[start : start + rows])


@needs_int8
def test_a_row_of_zeros_gives_the_bias() -> None:
    linear, _, offset = layer("oneDNN unsigned")
    assert offset is not None
    assert torch.equal(linear(torch.zeros(1, 64))[0], offset)


@needs_int8
def test_an_engine_in_int8_is_lossless_against_its_own_baseline(models: tiny.Models) -> None:
    target, draft = models.target("llama"), models.near("llama")
    request = {"prompt_ids": tiny.prompt(20, 4), "max_tokens": 40}
    with Engine.load(target, draft, device="cpu", dtype="int8") as engine:
        assert engine.loaded.target.dtype == "int8"
        assert engine.loaded.draft is not None
        assert engine.loaded.draft.dtype == "int8"
        plain = engine.generate(Request(**request, speculation=Speculation(0)))
        fast = engine.generate(Request(**request, speculation=Speculation(5)))
    assert plain.token_ids == fast.token_ids
    assert fast.usage.accepted > 0


@needs_int8
def test_float_weights_are_given_back() -> None:
    model = tiny.build("llama", attn_implementation="eager")
    before = sum(p.numel() for p in model.parameters())
    attached = attach(model, 160, int8="oneDNN unsigned")
    assert attached.int8
    assert attached.parameters == before
    left = sum(p.numel() for p in model.parameters())
    assert left < 0.5 * before, "the float matrices are still there"


@needs_int8
def test_wrong_numbers_are_noticed_at_load(models: tiny.Models, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Int8Linear.__call__
    monkeypatch.setattr(Int8Linear, "__call__", lambda self, x: right(self, x).clamp(max=0))
    with pytest.raises(HelixError, match="int8 gives wrong numbers"):
        Engine.load(models.target("llama"), None, device="cpu", dtype="int8")


def test_without_the_operator_int8_is_refused_and_never_chosen(
    models: tiny.Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.models import load

    monkeypatch.setattr(load, "int8_support", lambda: None)
    with pytest.raises(HelixError, match="has no int8 here"):
        Engine.load(models.target("llama"), None, device="cpu", dtype="int8")
    from engine import pick_device

    assert load.choose_dtype(pick_device("cpu"), 2_000_000_000, "bfloat16") == torch.bfloat16


def test_all_but_tiny_models_run_in_int8_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine import pick_device
    from engine.models import load

    monkeypatch.setattr(load, "int8_support", lambda: quantize.Int8Support("oneDNN unsigned", True))
    cpu = pick_device("cpu")
    assert load.choose_dtype(cpu, 2_000_000_000, "bfloat16") == "int8"
    assert load.choose_dtype(cpu, 135_000_000, "float32") == "int8"
    assert load.choose_dtype(cpu, 3_000_000, "bfloat16") == torch.float32
    monkeypatch.setattr(load, "int8_support", lambda: quantize.Int8Support("oneDNN unsigned", False))
    assert load.choose_dtype(cpu, 2_000_000_000, "bfloat16") == torch.bfloat16
    assert load.choose_dtype(cpu, 135_000_000, "bfloat16") == torch.float32
