"""Short cuts on the hot path give what the long way gives."""

from __future__ import annotations

import pytest
import tiny
import torch
import torch.nn.functional as F

from engine.kv.cache import layer_shapes
from engine.models.fused import FusedDecoder, fuse
from engine.models.norm import Norm
from engine.models.selfcheck import attach
from engine.models.threads import limited
from engine.sampling import draw


def decoder(**changes: object) -> FusedDecoder:
    fused = fuse(tiny.build("llama", attn_implementation="eager", **changes), 160)
    assert fused is not None
    return fused


@pytest.mark.parametrize("shape", [(1, 48), (5, 48), (3, 2, 48)])
def test_the_norm_is_rms_norm(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(48, generator=generator), torch.randn(shape, generator=generator) * 1e-3
    assert torch.allclose(Norm(weight, 1e-5)(x), F.rms_norm(x, (48,), weight, 1e-5), rtol=1e-6, atol=1e-7)
    half = weight.bfloat16()
    assert torch.equal(Norm(half, 1e-5)(x.bfloat16()), F.rms_norm(x.bfloat16(), (48,), half, 1e-5))


def test_small_matrices_lie_by_columns_and_the_model_still_sees_them() -> None:
    model = tiny.build("llama", attn_implementation="eager", tie_word_embeddings=True)
    wanted = tiny.logits(model, tiny.prompt(9, 1))
    fused = fuse(model, 160)
    assert fused is not None
    assert fused._layers[0].qkv.weight.stride(0) == 1  # type: ignore[union-attr]
    assert torch.allclose(tiny.logits(model, tiny.prompt(9, 1)), wanted, atol=1e-5)
    shared = sum(
        p.untyped_storage().nbytes() for p in {p.untyped_storage().data_ptr(): p for p in model.parameters()}.values()
    )
    norms = sum(p.numel() for n, p in model.named_parameters() if "norm" in n) * 4
    assert fused.weight_bytes == shared - norms, "a tied embedding counts once, and nothing is there twice"


def test_a_tiny_model_runs_few_rows_on_one_thread() -> None:
    assert decoder().threads == 1
    assert decoder(intermediate_size=16384).threads is None
    model = tiny.build("llama", attn_implementation="eager")
    way = attach(model, 160).paged(8)
    assert way.threads == 1
    assert way.shapes == layer_shapes(model)


def test_threads_come_back_even_after_an_error() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="broken"), limited(1):
            assert torch.get_num_threads() == 1
            raise ValueError("broken")
        assert torch.get_num_threads() == 2
        with limited(None):
            assert torch.get_num_threads() == 2
        with limited(4):
            assert torch.get_num_threads() == 2, "never more than there were"
    finally:
        torch.set_num_threads(before)


def test_bisection_draws_what_counting_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        weights = torch.rand(40, generator=generator)
        weights[torch.rand(40, generator=generator) < 0.5] = 0
        weights[7] += 1e-3
        u = torch.rand((), generator=generator)
        cdf = weights.cumsum(-1)
        for chance in (u, torch.tensor(0.0), torch.tensor(1 - 2**-24)):
            counted = torch.minimum((cdf <= chance * cdf[-1]).sum(), (cdf < cdf[-1]).sum())
            assert draw(weights, chance) == counted
            assert weights[draw(weights, chance)] > 0
