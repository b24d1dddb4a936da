"""llama.cpp on the same weights, where its Python packages are: the target rewritten as a Q8_0 GGUF file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from ..errors import HelixError
from ..models import compressed
from ..models.w8a8 import is_w8a8
from .trace import Trace

INSTALL = (
    "Not installed; to compare: pip install 'helix-chat[bench]' (where its AMX code crashes, first set "
    "CMAKE_ARGS='-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON')."
)
_LAYER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
_REST = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def missing() -> str:
    """What to do to have this rival; empty where it is here."""
    return "" if find_spec("llama_cpp") and find_spec("gguf") else INSTALL


class Llama:
    """Q8_0 weights, as many threads as torch has, one sequence. Raises HelixError for what it cannot run."""

    def __init__(self, model: Path, folder: Path) -> None:
        try:
            from llama_cpp import Llama as Inner

            path = convert(model, folder / "model.gguf")
            threads = torch.get_num_threads()
            self._inner = Inner(
                str(path), n_ctx=_config(model)["max_position_embeddings"], n_threads=threads,
                n_threads_batch=threads, n_gpu_layers=0, verbose=False,
            )  # fmt: skip
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
            raise HelixError(f"llama.cpp cannot run this model ({reason}).") from error

    def __enter__(self) -> Llama:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.close()

    def generate(self, ids: Sequence[int], count: int) -> Trace:
        """Exactly `count` greedy tokens, the prompt computed anew."""
        # Left to itself it would reuse the prompt of the last run: `reset` here empties the past, there it matches it.
        self._inner.reset()
        trace = Trace()
        for token in self._inner.generate(list(ids), temp=0.0, top_k=1, repeat_penalty=1.0, reset=False):
            trace.add([int(token)])
            if len(trace.ids) == count:
                break
        return trace


def convert(model: Path, path: Path) -> Path:
    """Write a Llama of Hugging Face's layout as GGUF in Q8_0, without a vocabulary: it is asked with ids."""
    import gguf

    config = _config(model)
    if config["model_type"] != "llama":
        raise HelixError(f"only llama is converted, not {config['model_type']}")
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")
    turned = {"self_attn.q_proj": heads, "self_attn.k_proj": kv_heads}
    for name, weight in _weights(model, config):
        count = next((n for part, n in turned.items() if part in name), None)
        _add(writer, gguf, _name(name), weight.float(), count)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _weights(model: Path, config: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """One after another: all at once are twice the model. Those in W8A8 are multiplied out."""
    from safetensors import safe_open

    if is_w8a8(config):
        yield from compressed.state(model, torch.float32).items()
        return
    for file in sorted(model.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (no dict: it has no iterator)
                yield name, tensors.get_tensor(name)


def _add(writer: Any, gguf: Any, name: str, weight: Tensor, heads: int | None) -> None:
    """Matrices in Q8_0, vectors in float32; `heads` where rope turns the rows, which llama.cpp pairs differently."""
    if heads is not None:
        rows, columns = weight.shape
        weight = weight.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)
    if weight.dim() == 1:
        writer.add_tensor(name, weight.numpy())
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(weight.numpy(), kind), raw_dtype=kind)


def _name(name: str) -> str:
    """`model.layers.3.mlp.up_proj.weight` is `blk.3.ffn_up.weight`."""
    stem = name.removesuffix(".weight")
    if stem in _REST:
        return f"{_REST[stem]}.weight"
    _, _, number, part = stem.split(".", 3)
    return f"blk.{number}.{_LAYER[part]}.weight"


def _config(model: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config.setdefault("head_dim", config["hidden_size"] // config["num_attention_heads"])
    config.setdefault("num_key_value_heads", config["num_attention_heads"])
    return config
