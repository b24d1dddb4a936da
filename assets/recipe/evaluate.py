"""Judge an exported pair: held-out loss beside another pair's, acceptance, how replies end, and samples nobody picked.

python assets/recipe/evaluate.py .pair/out --beside assets --data .pair/data --out .pair/out/evaluation

Writes evaluation.json and samples.md. Whether a reply stays on the topic is for a person to say: samples.md has a box.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[2]))  # The engine of this checkout, installed or not.

from corpus import lines
from train import load
from transformers import AutoTokenizer

from engine import Engine, Request, Sampling, Speculation

DEPTH = 4
TEMPERATURES = (0.0, 0.7)
REPLY = 200
"""Tokens of a reply at most: one that has not ended by then does not end."""
CUT = 1200
"""Characters of a text: it fits every context that is compared."""
QUESTION = 400
"""Characters of a prompt that is asked."""
ALIKE = 0.5
"""From this on a reply counts as the answer that was learnt."""


@dataclass(frozen=True, slots=True)
class Loss:
    nats_a_token: float
    bits_a_byte: float
    """The unit that models with different tokenizers share."""


@torch.no_grad()
def loss(folder: Path, items: list[dict[str, Any]]) -> Loss:
    """Of prose, every token; of a chat, the replies with their ends, after all that came before."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    model = load(folder)
    nats, tokens, size = 0.0, 0, 0
    for item in items:
        ids, counted, length = _tokens(tokenizer, item)
        if len(ids) < 2 or len(ids) > model.config.max_position_embeddings:
            continue
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1]
        losses = F.cross_entropy(logits.float(), torch.tensor(ids[1:]), reduction="none")
        chosen = torch.tensor(counted[1:])
        nats, tokens, size = nats + float(losses[chosen].sum()), tokens + int(chosen.sum()), size + length
    return Loss(round(nats / tokens, 4), round(nats / size / math.log(2), 4))


def _tokens(tokenizer: Any, item: dict[str, Any]) -> tuple[list[int], list[bool], int]:
    """Ids, which of them count, and the bytes that those stand for."""
    if "text" in item:
        text = item["text"][:CUT]
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids, [True] * len(ids), len(text.encode())
    ids, counted, size = [], [], 0
    for message in item["messages"][:2]:
        said, text = message["role"], message["content"].strip()[:CUT]
        rendered = f"<|{said}|>{text}<|end|>"
        part = tokenizer(rendered, add_special_tokens=False)["input_ids"]
        ids += part
        counted += [False] + [said == "assistant"] * (len(part) - 1)
        size += len(text.encode()) * (said == "assistant")
    return ids, counted, size


def prompts(items: list[dict[str, Any]], count: int) -> list[str]:
    """Held-out first questions: the project's own and the others in turn, as far as both go."""
    asked: dict[str, list[str]] = {"own": [], "chat": []}
    for item in items:
        if item["kind"] in asked and len(item["messages"][0]["content"]) <= QUESTION:
            asked[item["kind"]].append(item["messages"][0]["content"])
    own, others = asked["own"], asked["chat"]
    half = min(len(own), max(count // 2, count - len(others)))
    step = max(1, len(others) // max(1, count - half))
    return own[:half] + others[::step][: count - half]


def loops(text: str, words: int = 4, times: int = 3) -> bool:
    """Whether some run of words comes three times in a row: what a small model does when it is lost."""
    said = text.lower().split()
    for size in range(1, words + 1):
        for at in range(len(said) - size * times + 1):
            if all(said[at : at + size] == said[at + size * i : at + size * (i + 1)] for i in range(1, times)):
                return True
    return False


def alike(reply: str, answer: str) -> float:
    """How many words the two have in common, counted as often as they come: 1 for the same words, 0 for none (F1)."""
    said, wanted = (Counter(re.findall(r"\w+", text.lower())) for text in (reply, answer))
    return 2 * (said & wanted).total() / max(1, said.total() + wanted.total())


def answered(samples: list[dict[str, Any]], answers: Mapping[str, str]) -> int:
    """Replies that are the answer learnt for the same question in other words, or nearly."""
    return sum(alike(sample["reply"], answers[sample["prompt"]]) >= ALIKE for sample in samples)


def ask(engine: Engine, asked: list[str], temperature: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Every prompt once, with speculation at the depth that the issue names: counts, and the replies."""
    drafted = accepted = cycles = ended = looping = 0
    samples = []
    for number, question in enumerate(asked):
        done = engine.generate(
            Request(
                messages=[{"role": "user", "content": question}],
                sampling=Sampling(temperature=temperature, top_p=0.9 if temperature else 1.0),
                speculation=Speculation(DEPTH),
                max_tokens=REPLY,
                seed=number,
            )
        )
        ends, loop = done.finish_reason in ("eos", "stop"), loops(done.text)
        drafted, accepted = drafted + done.usage.drafted, accepted + done.usage.accepted
        cycles, ended, looping = cycles + done.usage.cycles, ended + ends, looping + loop
        samples.append({"prompt": question, "reply": done.text, "ends": ends, "loops": loop})
    figures = {
        "prompts": len(asked),
        "acceptance": round(accepted / drafted, 4) if drafted else None,
        "mean_accepted_length": round(1 + accepted / cycles, 3) if cycles else None,
        "end_by_themselves": ended,
        "loop": looping,
    }
    return figures, samples


def _written(samples: list[dict[str, Any]], temperature: float) -> list[str]:
    lines = []
    for sample in samples:
        marks = [word for word, there in (("does not end", not sample["ends"]), ("loops", sample["loops"])) if there]
        lines += [f"## {sample['prompt']}", f"*temperature {temperature:g}* {' '.join(marks)} on topic: [ ]"]
        lines += ["", sample["reply"], ""]
    return lines


def evaluate(pair: Path, data: Path, out: Path, *, beside: Path | None, count: int, device: str) -> dict[str, Any]:
    """All of it for `pair`/target and `pair`/draft; `beside` is such a folder too, for the loss."""
    items = list(lines(data / "held.jsonl"))
    found: dict[str, Any] = {"loss": {}, "replies": {}}
    for name, folder in (("this", pair), ("beside", beside)):
        for role in ("target", "draft"):
            if folder is None or not (folder / role).is_dir():
                continue
            for kind in ("own", "chat", "prose"):
                chosen = [item for item in items if item["kind"] == kind][:count]
                one = loss(folder / role, chosen)
                found["loss"][f"{name} {role} {kind}"] = {"nats": one.nats_a_token, "bits_a_byte": one.bits_a_byte}
    asked = prompts(items, count)
    answers = {m[0]["content"]: m[1]["content"] for m in (i["messages"] for i in items if i["kind"] == "reworded")}
    report = ["# Samples, unpicked", ""]
    with Engine.load(pair / "target", pair / "draft", device=device) as engine:
        for temperature in TEMPERATURES:
            figures, samples = ask(engine, asked, temperature)
            found["replies"][f"temperature {temperature:g}"] = figures
            report += _written(samples, temperature)
        figures, samples = ask(engine, list(answers), 0.0)
        found["replies"]["learnt in other words"] = {**figures, "answered": answered(samples, answers)}
        report += ["# Learnt in other words", "", *_written(samples, 0.0)]
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (out / "samples.md").write_text("\n".join(report), encoding="utf-8")
    print(json.dumps(found, indent=1), flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", type=Path, help="a folder with target/ and draft/")
    parser.add_argument("--beside", type=Path, help="another such folder: its loss is printed in the same units")
    parser.add_argument("--data", type=Path, default=Path(".pair/data"))
    parser.add_argument("--out", type=Path, default=Path(".pair/evaluation"))
    parser.add_argument("--count", type=int, default=100, help="prompts, and texts of each kind")
    parser.add_argument("--device", default="cpu")
    a = parser.parse_args(arguments)
    evaluate(a.pair, a.data, a.out, beside=a.beside, count=a.count, device=a.device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
