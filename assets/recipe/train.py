"""Train a model on the prepared text, on a GPU (bf16, compiled) or a CPU, a slice of a few minutes at a time.

python assets/recipe/train.py target --data .pair/data --out .pair/target --minutes 9 --total-minutes 10

Each call goes on from the last one's state until --total-minutes of training are done; after every slice --out
holds the model as an ordinary bf16 folder without tokenizer. On a CPU preload an allocator that keeps its memory
(jemalloc with MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always): page faults cost half the time otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # The engine of this checkout, installed or not.

from shapes import SHAPES, build
from training import Plan, Run
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from engine.models import compressed
from engine.models.w8a8 import is_w8a8


def train(
    shape: str, data: Path, out: Path, plan: Plan, minutes: float, *,
    teacher: Path | None = None, extra: Mapping[str, float] | None = None, warm: Path | None = None,
) -> bool:  # fmt: skip
    """One slice; whether the whole run is done. `extra` are groups beside those prepared, with their share; `warm` is
    a folder whose weights the run begins with."""
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    torch._dynamo.config.suppress_errors = True  # Slower beats not at all: a lease is short.
    vocab = _vocabulary(data)
    taught = load(teacher) if teacher else None
    model = build(SHAPES[shape], vocab, plan.context)
    if warm:
        begin_with(model, warm)
    run = Run(model, data, out / "state.pt", plan, teacher=taught, extra=extra)
    parameters = sum(p.numel() for p in run.model.parameters())
    print(f"{shape}: {parameters / 1e6:.1f}M parameters, {run.mix.tokens / 1e6:.1f}M tokens of text", flush=True)
    run.go(minutes)
    state = {name: w.to(torch.bfloat16) for name, w in run.model.state_dict().items() if name != "lm_head.weight"}
    half = LlamaForCausalLM._from_config(run.model.config, dtype=torch.bfloat16)
    half.load_state_dict(state, strict=False)
    half.tie_weights()
    half.save_pretrained(str(out))
    return run.done


def load(folder: Path) -> LlamaForCausalLM:
    """A trained model, fixed; one that was exported as W8A8 too."""
    model: LlamaForCausalLM
    if is_w8a8(json.loads((folder / "config.json").read_text(encoding="utf-8"))):
        model = compressed.read(folder, torch.float32, keep=False, attention="sdpa")
    else:
        model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, local_files_only=True)
    return model.eval().requires_grad_(False)


def begin_with(model: LlamaForCausalLM, folder: Path) -> None:
    """The weights of a model of the same width. Layers that it has not yet add nothing at first, and those at the
    end of a deeper one are left out."""
    weights = load(folder).state_dict()
    missing, _ = model.load_state_dict(weights, strict=False)
    for name in missing:
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            torch.nn.init.zeros_(model.get_parameter(name))


def _vocabulary(data: Path) -> int:
    from tokenizers import Tokenizer

    return int(Tokenizer.from_file(str(data / "tokenizer.json")).get_vocab_size())


def options(parser: argparse.ArgumentParser, plan: Plan) -> None:
    """The arguments that `train` and `distil` share."""
    parser.add_argument("--data", type=Path, default=Path(".pair/data"))
    parser.add_argument("--minutes", type=float, default=9, help="of this slice")
    parser.add_argument("--total-minutes", type=float, default=plan.minutes, help="of the whole run")
    parser.add_argument("--steps", type=int, help="of the whole run, instead of minutes")
    parser.add_argument("--rows", type=int, default=plan.rows, help="sequences in a batch")
    parser.add_argument("--context", type=int, default=plan.context)
    parser.add_argument("--rate", type=float, default=plan.rate, help="factor of the learning rates")
    parser.add_argument("--decay", type=float, default=plan.decay, help="part of the run in which they fall")
    parser.add_argument("--from", dest="warm", type=Path, help="a model's folder: go on from its weights")
    parser.add_argument("--threads", type=int, default=os.cpu_count())


def planned(a: argparse.Namespace) -> Plan:
    torch.set_num_threads(a.threads)
    return Plan(a.total_minutes, a.steps, a.rows, a.context, rate=a.rate, decay=a.decay)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--out", type=Path, required=True)
    options(parser, Plan())
    a = parser.parse_args(arguments)
    done = train(a.shape, a.data, a.out, planned(a), a.minutes, warm=a.warm)
    print("done" if done else "to be continued: call this again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
