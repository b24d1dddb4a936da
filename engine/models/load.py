"""From two names to a checked pair of paged models, or one clear sentence why not."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch

from ..config import EngineConfig, Layout
from ..devices import Device, on_device, pick_device, read_memory, torch_device, usable_devices
from ..errors import HelixError, InvalidRequest, ModelNotFound, OutOfMemory, UnsupportedModel
from ..events import DeviceMemory, Loading
from ..kv.pool import block_bytes
from ..shortage import is_out_of_memory
from . import reading, rope
from .budget import pool_blocks
from .paged import PagedModel
from .quantize import int8_support
from .reading import Files
from .selfcheck import Attached, attach, attach_stateful
from .source import Progress, first_line, locate
from .tokenizer import Tokenizer, check_same
from .w8a8 import is_w8a8

SMALL = 300_000_000
"""Parameters up to which a model runs in float32 where it is stored so or bytes do not pay: it rounds least."""
TINY = 5_000_000
"""Parameters up to which a CPU does not multiply bytes: a forward is mostly overhead there. One row takes a model of
6.5M 2.2 ms in int8 and 3.9 in float32, one of 1.4M 0.75 and 0.42."""
DTYPES = {
    "float32": torch.float32, "fp32": torch.float32, "bfloat16": torch.bfloat16, "bf16": torch.bfloat16,
    "float16": torch.float16, "fp16": torch.float16,
}  # fmt: skip
Dtype = torch.dtype | Literal["int8"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pair that is ready, and what the `Loaded` event says of it."""

    target: PagedModel
    draft: PagedModel | None
    tokenizer: Tokenizer | None
    target_name: str
    draft_name: str | None
    device: Device
    context: int
    draft_context: int
    eos: frozenset[int]
    seconds: float
    memory: DeviceMemory


def load_pair(
    target: str | os.PathLike[str],
    draft: str | os.PathLike[str] | None,
    device: str,
    dtype: str | torch.dtype | None,
    config: EngineConfig,
    progress: Progress,
) -> Loaded:
    """Load, check and give a KV pool to a target and a draft (None for none). Raises HelixError.

    With device "auto" the next device is tried when the models do not fit one or come out wrong there.
    """
    start = time.perf_counter()
    devices = usable_devices() if device == "auto" else [pick_device(device)]
    # What can be refused is refused before any weights are read.
    target_files, tokenizer, vocab = _find(target, "target", config, progress)
    draft_files = None
    if draft is not None:
        draft_files, draft_tokenizer, draft_vocab = _find(draft, "draft", config, progress)
        check_same(tokenizer, draft_tokenizer, vocab, draft_vocab)
    for picked in devices:
        wanted = _parse_dtype(dtype, picked)
        layout = picked.kv if config.kv == "auto" else config.kv
        try:
            if config.exact and layout == "blocks":
                raise InvalidRequest(f"{picked.name} cannot be exact; leave exact out, or choose another device.")
            run = partial(on_device, picked)
            how = picked, wanted, progress, layout, config.max_context
            big = run(partial(_load, target_files, "target", *how))
            if big.stateful:
                _refuse_exact(config)
                progress(Loading("the target keeps a state that cannot be rolled back: it runs without speculation"))
                draft_files = None
            small = None if draft_files is None else run(partial(_load, draft_files, "draft", *how))
            if small is not None and small.stateful:
                raise UnsupportedModel(
                    f"{draft} keeps a state that cannot be rolled back; choose another draft, or none."
                )
            progress(Loading("reserving the KV pool"))
            context = _context(big.model, config.max_context)
            blocks = _pool_size(big, small, context, config, read_memory(picked))
            target_model = run(partial(big.paged, blocks, remember=config.prefix_cache, exact=config.exact))
            draft_model = run(partial(small.paged, blocks, remember=config.prefix_cache)) if small else None
            break
        except ModelNotFound:
            raise  # It is the files that are wrong: no device will do.
        except (HelixError, RuntimeError) as error:
            if picked is devices[-1]:
                raise
            progress(Loading(f"{picked.name} cannot run this ({first_line(error)}); trying the next device"))
    return Loaded(
        target=target_model,
        draft=draft_model,
        tokenizer=tokenizer,
        target_name=str(target),
        draft_name=None if small is None else str(draft),
        device=picked,
        context=context,
        draft_context=_context(small.model, config.max_context) if small else 0,
        eos=_end_tokens(big.model, tokenizer),
        seconds=time.perf_counter() - start,
        memory=read_memory(picked),
    )


def choose_dtype(device: Device, parameters: int, checkpoint: str | None) -> Dtype:
    """The dtype that a model of so many `parameters`, stored as `checkpoint` ("bfloat16"), runs in on a device.

    "int8" where a CPU was measured to multiply bytes faster; models that cannot do it keep the stored dtype.
    """
    if device.kind == "cpu" and parameters > TINY:
        support = int8_support()
        if support and support.pays:
            return "int8"
    if parameters <= SMALL and (device.kind == "cpu" or checkpoint == "float32"):
        return torch.float32
    if device.kind == "cpu":
        return torch.float32 if checkpoint == "float32" else torch.bfloat16
    half = checkpoint if checkpoint in ("bfloat16", "float16") else "bfloat16"
    usable = half if half in device.dtypes else "float16"
    return DTYPES[usable] if usable in device.dtypes else torch.float32


def _refuse_exact(config: EngineConfig) -> None:
    if config.exact:
        raise UnsupportedModel("A model that keeps a state cannot run with exact; leave that out.")


def _find(
    name: str | os.PathLike[str], role: str, config: EngineConfig, progress: Progress
) -> tuple[Files, Tokenizer | None, int]:
    """A model's files, its tokenizer, and how many tokens its configuration says it has."""
    path = locate(name, role, progress, pickle=config.allow_pickle, code=config.trust_remote_code)
    files = Files(path, code=config.trust_remote_code, pickle=config.allow_pickle)
    about = reading.check(files)
    tokenizer = Tokenizer.load(path, code=files.code)
    vocab = int(getattr(about.get_text_config(), "vocab_size", 0) or 0)
    if tokenizer is not None and vocab:
        tokenizer.check_fits(vocab, path)
    return files, tokenizer, vocab


def _load(
    files: Files,
    role: str,
    device: Device,
    dtype: Dtype | None,
    progress: Progress,
    layout: Layout,
    longest: int | None,
) -> Attached:
    """Weights on the device, with the fastest attention that a self-check found right; texts of `longest` at most."""
    progress(Loading(f"reading the {role}", 0, files.size))
    config = files.config
    stored = config.get("dtype") or config.get("torch_dtype")
    width = 1 if is_w8a8(config) else 4 if stored == "float32" else 2
    chosen = dtype or choose_dtype(device, files.size // width, stored)
    support = int8_support() if chosen == "int8" else None
    plain = DTYPES.get(str(stored), torch.float32) if chosen == "int8" else chosen
    try:
        model = reading.read(files, plain, keep=chosen == "int8")
        # Cast first, then move: DirectML ends the process when it meets bfloat16.
        model = model.eval().requires_grad_(False).to(torch_device(device))
        if device.kind == "directml":
            model.tie_weights()
    except HelixError:
        raise
    except Exception as error:
        raise _explain(error, files) from error
    progress(Loading(f"checking the {role}"))
    rope.hold(model, _context(model, longest))
    try:
        attached = attach(model, _context(model), int8=support and support.kernel, kv=layout)
    except UnsupportedModel as refusal:
        if layout == "blocks":
            raise  # What transformers does for a state is nothing for DirectML.
        attached = attach_stateful(model, refusal)
    if dtype == "int8" and not attached.int8:
        kind = model.config.model_type
        why = attached.no_int8
        raise UnsupportedModel(f"{files.path} ({kind}) cannot run in int8 ({why}); choose float32 or bfloat16.")
    return attached


def _explain(error: Exception, files: Files) -> HelixError:
    reason = first_line(error)
    if is_out_of_memory(error):
        return OutOfMemory(f"{files.path} does not fit the device's memory; choose a smaller model, dtype or the cpu.")
    if isinstance(error, ImportError):
        method = reading.quantization(files.config)
        kind = f"is a {method} model and " if method else ""
        return UnsupportedModel(f"{files.path} {kind}needs a package that is not here ({reason}); install it.")
    if "Unrecognized configuration class" in reason or "model type" in reason or "should have a `model_type`" in reason:
        return UnsupportedModel(
            f"{files.path} is no causal language model that transformers knows ({reason}); choose another."
        )
    return ModelNotFound(f"The model in {files.path} cannot be read ({reason}); download it again or choose another.")


def _parse_dtype(dtype: str | torch.dtype | None, device: Device) -> Dtype | None:
    if dtype is None or dtype == "auto":
        return None
    if dtype == "int8":
        if device.kind != "cpu" or not int8_support():
            raise InvalidRequest(f"{device.name} has no int8 here; use one of {', '.join(device.dtypes)}.")
        return "int8"
    name = str(dtype).removeprefix("torch.").lower()
    if name not in DTYPES:
        raise InvalidRequest(f"There is no dtype {dtype}; use float32, bfloat16, float16 or int8, or leave it out.")
    parsed = DTYPES[name]
    full = str(parsed).removeprefix("torch.")
    if full not in device.dtypes:
        raise InvalidRequest(f"{device.name} cannot compute in {full}; use one of {', '.join(device.dtypes)}.")
    return parsed


def _pool_size(
    target: Attached, draft: Attached | None, context: int, config: EngineConfig, memory: DeviceMemory
) -> int:
    """Blocks in each pool: target and draft get the same number, so that one is never full before the other."""
    each = sum(block_bytes(m.shapes, m.kv_dtype) for m in (target, draft) if m is not None)
    blocks = pool_blocks(each, context, config.kv_memory, memory.free)
    if blocks < 2:
        raise OutOfMemory(
            f"The KV cache needs {each} bytes a block and room for two; give kv_memory more bytes or free memory."
        )
    return blocks


def _context(model: Any, longest: int | None = None) -> int:
    """Tokens that the model can attend over, `longest` at most.

    Unless more is asked for, a model with frequencies for long texts keeps to those for short ones, which it does best.
    """
    config = model.config.get_text_config()
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
    sizes = (getattr(config, name, None) for name in names)
    most = next((size for size in sizes if isinstance(size, int) and size > 0), 2048)
    return min(most, longest or rope.border(config.to_dict()) or most)


def _end_tokens(model: Any, tokenizer: Tokenizer | None) -> frozenset[int]:
    """The generation config's end-of-sequence ids, else the configuration's, else the tokenizer's."""
    sources = (model.generation_config, model.config.get_text_config(), tokenizer and tokenizer.inner)
    for source in sources:
        ids = getattr(source, "eos_token_id", None)
        if ids is not None:
            return frozenset(ids if isinstance(ids, (list, tuple)) else [ids])
    return frozenset()
