"""`helix-chat doctor --directml`: whether a device computes what the CPU does, a line for each check."""

from __future__ import annotations

import contextlib
import io
import platform
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

import engine
from engine import Engine, Request, Sampling, Speculation, dxgi
from engine.devices import Device, check_device, read_memory

from .quiet import hush_libraries

PROMPTS = ([5, 9, 2, 7], [3] * 20 + [8, 1, 60], list(range(2, 50)))
TOKENS = 24
Line = tuple[bool | None, str, str]
"""Passed, or None for what is only told; its name; its figure."""


def report(spec: str = "directml") -> bool:
    """Print a line for each check of the device; returns whether all that the engine needs passed."""
    hush_libraries()
    try:
        device = engine.pick_device(spec)
    except engine.DeviceUnavailable as error:
        print(f"There is nothing to test: {error}")
        return False
    good = True
    for passed, name, figure in examine(device):
        good = good and passed is not False
        print(f"{ {True: 'pass', False: 'FAIL', None: '    '}[passed] }  {name:<18} {figure}")
    print("All that Helix needs works here." if good else "Something is wrong: choose another device.")
    return good


def examine(device: Device) -> Iterator[Line]:
    """What is installed, what is there, the operations one by one, and a tiny model against the CPU."""
    for package in ("helix-chat", "torch", "torch-directml", "transformers", "numpy"):
        yield None, package, _version(package)
    yield None, "system", f"{platform.platform()}, Python {platform.python_version()}"
    yield None, "device", f"{device.spec} ({device.name}), KV in {device.kv}"
    for adapter in dxgi.adapters():
        figures = f"{_size(adapter.total)}, {_size(adapter.budget)} for this process, {_size(adapter.usage)} used"
        yield None, "adapter", f"{adapter.name}: {figures}"
    for check in check_device(device):
        figure = f"{check.said}, {check.seconds * 1e3:.1f} ms"
        yield (check.passed if check.needed else None), check.name, figure
    yield _same_tokens(device)
    memory = read_memory(device)
    told = f"{_size(memory.process)} held of {_size(memory.total)}, {_size(memory.free)} free"
    yield None, "memory", told if memory.total else "not told"


def _same_tokens(device: Device) -> Line:
    """Drafts, verification and rollback of a random model: the same text as on the CPU."""
    name = "same tokens as cpu"
    requests = [
        Request(prompt_ids=prompt, max_tokens=TOKENS, sampling=Sampling(temperature=0), speculation=Speculation(depth))
        for prompt in PROMPTS
        for depth in (0, 3)
    ]
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            target, draft = _models(Path(folder))
            texts, seconds = [], 0.0
            for spec, kv in (("cpu", "slab"), (device.spec, "blocks")):
                with Engine.load(target, draft, device=spec, dtype="float32", kv=kv) as loaded:
                    start = time.perf_counter()
                    texts.append([reply.token_ids for reply in loaded.generate_batch(requests)])
                    seconds = time.perf_counter() - start
    except Exception as error:
        return False, name, (str(error).strip().splitlines() or [type(error).__name__])[0]
    count = sum(map(len, texts[0]))
    same = sum(a == b for one, other in zip(*texts, strict=True) for a, b in zip(one, other, strict=True))
    return same == count, name, f"{same} of {count}, {seconds:.1f} s"


def _models(folder: Path) -> tuple[Path, Path]:
    """A random llama and a smaller draft for it."""
    torch = import_module("torch")
    from transformers import LlamaConfig, LlamaForCausalLM

    made = []
    for name, layers in (("target", 2), ("draft", 1)):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=layers, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.2, tie_word_embeddings=True,
            bos_token_id=None, eos_token_id=None, pad_token_id=None,
        )  # fmt: skip
        with contextlib.redirect_stderr(io.StringIO()):
            LlamaForCausalLM(config).save_pretrained(folder / name)
        made.append(folder / name)
    return made[0], made[1]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
