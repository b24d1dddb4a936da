"""A lean decoder for the Llama family (llama, mistral, qwen2, qwen3): the same weights, a fraction of the Python.

transformers spends 0.3 to 1 ms of Python a layer here, which is most of a small draft's time. Projections of the same
input are one matrix, rope tables are computed once, and the paged pool is read in place. It takes the model's weights
over without a second copy, and `selfcheck` holds its logits against the model's own before it is used.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kv.attention import attend
from ..kv.cache import Pack
from ..kv.fixed import FixedPack
from ..kv.padded import PaddedPack
from .int8_kernels import Kernel
from .norm import Norm
from .quantize import Int8Linear, Int8Weight
from .threads import SMALL

FAMILY = ("llama", "mistral", "qwen2", "qwen3")
STATIC_ROPE = ("default", "linear", "llama3", "yarn")
"""Kinds whose angles depend on the position alone, not on the length of the text."""
COLUMNS = 2**20
"""Elements up to which a float32 matrix on a CPU lies by columns: a few rows then take 0.65 to 0.95 of the time."""


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: Tensor
    bias: Tensor | None
    int8: Int8Weight | None = None
    """The integers that the weight was stored as, where it was."""

    @property
    def nbytes(self) -> int:
        return self.weight.numel() * self.weight.element_size()

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class _Side:
    """Projections of one input whose matrices stay apart: a view into a joint one may be a copy (DirectML)."""

    parts: tuple[_Linear, ...]

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], -1)


Linear = _Linear | _Side | Int8Linear


@dataclass(frozen=True, slots=True)
class _Layer:
    before_attention: Norm
    qkv: Linear
    query_norm: Norm | None
    key_norm: Norm | None
    out: Linear
    before_mlp: Norm
    gate_up: Linear
    down: Linear
    scale: float
    window: int | None


class FusedDecoder:
    """Rows of tokens in, logits out; KV goes to the pack's pool. Made by `fuse`."""

    def __init__(self, model: Any, layers: list[_Layer], cos: Tensor, sin: Tensor, *, apart: bool) -> None:
        config = model.config
        self._head: Linear = _beside(model.lm_head) if apart else _stack(model.lm_head)
        self._embed: Tensor = model.model.embed_tokens.weight
        self._norm = _norm(model.model.norm, apart)
        self._layers = layers
        self._cos, self._sin = cos, sin
        self._heads = config.num_attention_heads
        self._kv_heads = config.num_key_value_heads
        self._dim = cos.shape[-1]

    def quantized(self, kernel: Kernel) -> FusedDecoder:
        """The same decoder with int8 weights and float32 between them; the embedding stays as it is stored."""

        def int8(linear: Linear) -> Linear:
            assert not isinstance(linear, _Side)
            if isinstance(linear, Int8Linear):
                return linear
            return Int8Linear.of(linear.int8 or linear.weight, linear.bias, kernel)

        other = copy(self)
        other._norm = self._norm.float()
        other._head = int8(self._head)
        other._layers = [
            _Layer(
                before_attention=x.before_attention.float(),
                qkv=int8(x.qkv),
                query_norm=x.query_norm.float() if x.query_norm else None,
                key_norm=x.key_norm.float() if x.key_norm else None,
                out=int8(x.out),
                before_mlp=x.before_mlp.float(),
                gate_up=int8(x.gate_up),
                down=int8(x.down),
                scale=x.scale,
                window=x.window,
            )
            for x in self._layers
        ]
        other._cos, other._sin = self._cos.float(), self._sin.float()
        return other

    @property
    def dtype(self) -> torch.dtype:
        """Of what flows between the layers, and so of the KV."""
        return self._cos.dtype

    @property
    def context(self) -> int:
        """Places that there are rope tables for."""
        return len(self._cos)

    @property
    def weight_dtype(self) -> str:
        return "int8" if isinstance(self._head, Int8Linear) else str(self._embed.dtype).removeprefix("torch.")

    @property
    def threads(self) -> int | None:
        """That forwards of few rows are worth on a CPU; None leaves it to torch."""
        tiny = all(_is_tiny(linear) for linear in self._linears()[1:])
        return 1 if tiny and self._embed.device.type == "cpu" else None

    @property
    def weight_bytes(self) -> int:
        """Of the embedding and all matrices: what a forward of one row has to read, but for the embedding's."""
        own = sum(x.nbytes for x in self._linears() if not isinstance(x, _Linear) or not _same(x.weight, self._embed))
        return own + self._embed.numel() * self._embed.element_size()

    def _linears(self) -> list[Linear]:
        return [self._head, *(linear for x in self._layers for linear in (x.qkv, x.out, x.gate_up, x.down))]

    def __call__(self, ids: Tensor, pack: Pack | PaddedPack | FixedPack, kept: Tensor | None) -> Tensor:
        """`ids` `[rows]`; `kept` `[k]` the rows whose logits are wanted, None for all; returns `[k, vocab]`."""
        x = F.embedding(ids, self._embed).to(self.dtype)
        cos, sin = self._angles(pack)
        for index, layer in enumerate(self._layers):
            x = x + self._attention(index, layer, layer.before_attention(x), cos, sin, pack)
            gate, up = layer.gate_up(layer.before_mlp(x)).chunk(2, -1)
            x = x + layer.down(F.silu(gate).mul_(up))
        return self._head(self._norm(x if kept is None else x.index_select(0, kept)))

    def _attention(
        self,
        index: int,
        layer: _Layer,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        pack: Pack | PaddedPack | FixedPack,
    ) -> Tensor:
        rows = x.shape[0]
        heads, kv = self._heads, self._kv_heads
        mixed = layer.qkv(x).view(rows, heads + 2 * kv, self._dim)
        turned, values = mixed[:, : heads + kv], mixed[:, heads + kv :]
        if layer.query_norm and layer.key_norm:
            turned = torch.cat((layer.query_norm(turned[:, :heads]), layer.key_norm(turned[:, heads:])), 1)
        # sin carries the sign of rotate_half, so that turning is one roll, one product and one fused multiply-add.
        # DirectML would roll on the CPU.
        swap = isinstance(pack, PaddedPack)
        halves = torch.cat(turned.chunk(2, -1)[::-1], -1) if swap else turned.roll(self._dim // 2, -1)
        turned = torch.addcmul(turned * cos, halves, sin)
        by_head = turned.transpose(0, 1)
        pack.write(index, by_head[heads:], values.transpose(0, 1))
        if isinstance(pack, FixedPack):
            out = pack.attend(index, by_head[:heads], layer.scale, layer.window)
        else:
            out = attend(pack, index, by_head[:heads], layer.scale, None, layer.window)
        return layer.out(out.transpose(0, 1).reshape(rows, heads * self._dim))

    def _angles(self, pack: Pack | PaddedPack | FixedPack) -> tuple[Tensor, Tensor]:
        """cos and signed sin `[rows, 1, dim]` of the new rows' positions."""
        places = pack.places if isinstance(pack, FixedPack) else pack.positions
        if places is not None:
            return self._cos.index_select(0, places)[:, None], self._sin.index_select(0, places)[:, None]
        assert isinstance(pack, Pack)
        parts = [slice(s.past, s.length) for s in pack.segments]
        if pack.padding:
            parts.append(slice(0, pack.padding))
        if len(parts) == 1:
            return self._cos[parts[0], None], self._sin[parts[0], None]
        return torch.cat([self._cos[p] for p in parts])[:, None], torch.cat([self._sin[p] for p in parts])[:, None]


def fuse(model: Any, context: int, *, apart: bool = False) -> FusedDecoder | None:
    """A decoder over `model`'s weights, whose own modules become views of it; None for a model it does not fit.

    With `apart` no matrices are joined, no views made and no fused operators used.
    """
    config = model.config
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    fits = (
        config.model_type in FAMILY
        and config.hidden_act == "silu"
        and rope.get("rope_type", "default") in STATIC_ROPE
        and rope.get("partial_rotary_factor", 1) == 1
        and not getattr(config, "quantization_config", None)
        and all(type(m) is nn.Linear for m in model.modules() if hasattr(m, "in_features"))
    )
    if not fits:
        return None
    with torch.no_grad():
        layers = [_fuse_layer(block, _window(config, i), apart) for i, block in enumerate(model.model.layers)]
        places = torch.arange(context, device=model.device)[None]
        cos, sin = model.model.rotary_emb(model.model.embed_tokens.weight[:1, None], places)
    sin = torch.cat((-sin[..., : sin.shape[-1] // 2], sin[..., sin.shape[-1] // 2 :]), -1)
    return FusedDecoder(model, layers, cos[0].contiguous(), sin[0].contiguous(), apart=apart)


def _window(config: Any, layer: int) -> int | None:
    """The sliding window of a layer, None where it sees everything."""
    window: int | None = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds:
        return window if kinds[layer] == "sliding_attention" else None
    return window if getattr(config, "use_sliding_window", True) else None


def _fuse_layer(block: Any, window: int | None, apart: bool) -> _Layer:
    attention, mlp = block.self_attn, block.mlp
    join = _beside if apart else _stack
    query_norm, key_norm = getattr(attention, "q_norm", None), getattr(attention, "k_norm", None)
    return _Layer(
        before_attention=_norm(block.input_layernorm, apart),
        qkv=join(attention.q_proj, attention.k_proj, attention.v_proj),
        query_norm=_norm(query_norm, apart) if query_norm is not None else None,
        key_norm=_norm(key_norm, apart) if key_norm is not None else None,
        out=join(attention.o_proj),
        before_mlp=_norm(block.post_attention_layernorm, apart),
        gate_up=join(mlp.gate_proj, mlp.up_proj),
        down=join(mlp.down_proj),
        scale=attention.scaling,
        window=window,
    )


def _norm(module: Any, explicit: bool) -> Norm:
    return Norm(module.weight, module.variance_epsilon, explicit)


def _beside(*modules: nn.Linear) -> _Linear | _Side:
    parts = tuple(_Linear(m.weight, m.bias) for m in modules)
    return _Side(parts) if len(parts) > 1 else parts[0]


def _stack(*modules: nn.Linear) -> _Linear:
    """One matrix for projections of the same input; the modules' weights become views of it, so nothing is doubled."""
    first = modules[0]
    stored = [m.__dict__.pop("int8", None) for m in modules]
    int8 = Int8Weight(*map(torch.cat, zip(*stored, strict=True))) if all(stored) else None
    weight = _by_columns(first.weight if len(modules) == 1 else torch.cat([m.weight for m in modules]))
    bias = None if first.bias is None else torch.cat([m.bias for m in modules])
    at = 0
    for module in modules:
        rows = slice(at, at + module.out_features)
        module.weight.data = weight[rows]
        if bias is not None:
            module.bias.data = bias[rows]
        at += module.out_features
    return _Linear(weight, bias, int8)


def _is_tiny(linear: Linear) -> bool:
    if isinstance(linear, _Linear):
        return linear.weight.dtype == torch.float32 and linear.weight.numel() <= SMALL
    return isinstance(linear, Int8Linear) and linear.nbytes <= SMALL


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether they are one matrix in memory: tied embeddings."""
    return a is b or (a.device.type != "privateuseone" and a.data_ptr() == b.data_ptr())


def _by_columns(weight: Tensor) -> Tensor:
    """The same matrix, in the order of memory in which a few rows are multiplied faster."""
    lean = weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.numel() <= COLUMNS
    return weight.t().contiguous().t() if lean else weight
