"""All of it with one command a call, for a machine that is lent for half an hour in calls of ten minutes.

here    python assets/recipe/make.py pack --corpus ../shared/corpus      the text as .pair/up0, .pair/up1: 40 MiB each
there   python3 assets/recipe/make.py take .pair/up0                     a call for each, that folder in `carry`
there   python3 assets/recipe/make.py go --minutes 9.3 --give $OUT       again until it says that all is done
here    python assets/recipe/make.py join FOLDER...                      what came back, to .pair/out/target and draft

`go` does the next stages that fit: prepare, train, export the target, distil, export the draft, evaluate. A machine of
your own needs no parcels: `make.py go --corpus ../shared/corpus --minutes 60` does everything, on a CPU with
`--size mini`. README.md beside this file has the plan of a lease, call by call.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from parcels import unwrap, wrap

if TYPE_CHECKING:
    from training import Plan

UP = 40 << 20
"""Bytes of a parcel to the machine: the limit is 64 MiB with the repository, whose models are 20."""
BACK = 15 << 20
"""Of a parcel back: files of 16 MiB at most, 8 a call, 64 MiB together."""
FULL = 32 << 20
"""Bytes given after which a call makes nothing more to give: target and draft together might not fit back."""
FILES = ("chat.jsonl.xz", "prose.jsonl.xz")
SLICE = 1.0
"""Minutes of a call that must be left for another stage to begin."""


@dataclass(frozen=True, slots=True)
class Size:
    """What `go` makes."""

    target: str
    draft: str
    vocab: int
    context: int
    rows: int
    minutes: tuple[float, float]
    """Of training: target, draft."""
    steps: tuple[int | None, int | None] = (None, None)
    reply_minutes: float = 1.2
    reply_rows: int = 768
    prompts: int = 100
    needs: Mapping[str, float] = field(default_factory=lambda: {"prepare": 5.0, "evaluate": 3.5})
    """Minutes that a stage which cannot be cut must find left; any other needs SLICE."""


SIZES = {
    "full": Size("target", "draft", 16384, 1024, 128, (10.0, 3.5)),
    "mini": Size("mini", "mini-draft", 8192, 512, 16, (150.0, 60.0), reply_minutes=20.0, reply_rows=16),
    "toy": Size(
        "toy", "toy-draft", 400, 96, 4, (1.0, 1.0), (6, 4), reply_minutes=0.02, reply_rows=8, prompts=4, needs={}
    ),
}


@dataclass(slots=True)
class Job:
    """The stages over one work folder. A stage that is done leaves a mark, so every call goes on where the last was."""

    size: Size
    corpus: Path
    work: Path
    examples: Path | None
    until: float
    """Monotonic seconds at which the call should be over."""
    device: str = "cpu"
    give: Path | None = None
    """Where what is made goes at once, squeezed and cut to the sizes that come back: the next stage may fail."""

    @property
    def left(self) -> float:
        """Minutes of this call."""
        return (self.until - time.monotonic()) / 60

    def go(self) -> bool:
        """Whether all stages are done."""
        stages: list[Callable[[], bool]] = [self.prepare, self.target, self.target_out, self.draft, self.draft_out]
        for stage in [*stages, self.evaluate]:
            mark = self.work / f"{stage.__name__}.done"
            if mark.is_file():
                continue
            if self.left < self.size.needs.get(stage.__name__, SLICE):
                return False
            if stage in (self.draft_out, self.evaluate) and self._given() > FULL:
                return False
            print(f"== {stage.__name__}, {self.left:.1f} minutes left", flush=True)
            if not stage():
                return False
            mark.touch()
        return True

    def prepare(self) -> bool:
        from corpus import EXAMPLES
        from prepare import prepare

        prepare(self.corpus, self.work / "data", vocab=self.size.vocab, examples=self.examples or EXAMPLES)
        return True

    def target(self) -> bool:
        from train import train

        return train(self.size.target, self.work / "data", self.work / "target", self._plan(0), self.left)

    def target_out(self) -> bool:
        return self._export("target")

    def draft(self) -> bool:
        from distil import SHARE, collect
        from train import train

        size, data, target = self.size, self.work / "data", self.work / "target"
        collect(target, data, minutes=size.reply_minutes, rows=size.reply_rows)
        if self.left < SLICE:
            return False
        extra = {"replies": SHARE}
        out, plan = self.work / "draft", self._plan(1)
        return train(size.draft, data, out, plan, self.left, teacher=target, extra=extra)

    def draft_out(self) -> bool:
        return self._export("draft")

    def evaluate(self) -> bool:
        from evaluate import evaluate

        beside = Path(__file__).parents[1]
        out, count = self.work / "out", self.size.prompts
        evaluate(out, self.work / "data", out / "evaluation", beside=beside, count=count, device=self.device)
        self._give("evaluation")
        return True

    def _plan(self, which: int) -> Plan:
        from training import Plan

        size = self.size
        return Plan(size.minutes[which], size.steps[which], size.rows, size.context)

    def _give(self, name: str) -> None:
        if self.give:
            wrap([self.work / "out" / name], self.give, name, BACK, squeeze=True)

    def _given(self) -> int:
        """Bytes that this call gives back so far."""
        return sum(path.stat().st_size for path in self.give.iterdir()) if self.give and self.give.is_dir() else 0

    def _export(self, role: str) -> bool:
        from export import export

        tokenizer = self.work / "data/tokenizer.json"
        export(self.work / role, tokenizer, self.work / "out" / role, context=self.size.context)
        self._give(role)
        return True


def pack(corpus: Path, work: Path, largest: int) -> list[Path]:
    """The compressed text as folders `up0`, `up1`, ... each small enough for one call."""
    folders = []
    wrap([corpus / name for name in FILES], work / "up", "corpus", largest)
    for i, parcel in enumerate(sorted((work / "up").glob("corpus.[0-9]*"))):
        folder = work / f"up{i}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        parcel.rename(folder / parcel.name)
        shutil.copy(work / "up" / "corpus.parcels.json", folder)
        folders.append(folder)
    shutil.rmtree(work / "up")
    return folders


def take(folder: Path, store: Path) -> bool:
    """Keep one of those where the next call finds it; True once the corpus is whole."""
    store.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        shutil.copy(path, store)
    return unwrap(store, "corpus", store / "corpus")


def join(folders: list[Path], to: Path) -> list[str]:
    """Unpack whatever is whole in these folders."""
    names = sorted({path.name.split(".")[0] for folder in folders for path in folder.glob("*.parcels.json")})
    return [name for name in names if any(unwrap(folder, name, to) for folder in folders)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".pair"))
    parser.add_argument("--store", type=Path, default=Path("/tmp/helix-pair"), help="on the lent machine")
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="cut the text into parcels")
    packing.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    packing.add_argument("--largest", type=int, default=UP, help="bytes")
    taking = commands.add_parser("take", help="keep a parcel on the lent machine")
    taking.add_argument("folder", type=Path)
    going = commands.add_parser("go", help="do the next stages")
    going.add_argument("--size", choices=SIZES, default="full")
    going.add_argument("--corpus", type=Path, help="default: what was taken")
    going.add_argument("--examples", type=Path)
    going.add_argument("--minutes", type=float, default=9.3, help="of this call")
    going.add_argument("--give", type=Path, help="folder for the parcels of what was exported")
    going.add_argument("--threads", type=int, default=os.cpu_count())
    joining = commands.add_parser("join", help="unpack what came back")
    joining.add_argument("folders", type=Path, nargs="+")
    a = parser.parse_args(arguments)
    if a.command == "pack":
        print(*pack(a.corpus, a.work, a.largest), sep="\n")
    elif a.command == "take":
        print("the corpus is whole" if take(a.folder, a.store) else "more parcels to come")
    elif a.command == "join":
        print(*join(a.folders, a.work / "out"), sep="\n")
    else:
        return _go(a)
    return 0


def _go(a: argparse.Namespace) -> int:
    until = time.monotonic() + a.minutes * 60
    import torch

    torch.set_num_threads(a.threads)
    work = a.work if a.corpus else a.store
    device = "cuda" if torch.cuda.is_available() else "cpu"
    job = Job(SIZES[a.size], a.corpus or a.store / "corpus", work, a.examples, until, device, a.give)
    done = job.go()
    print("all done" if done else "to be continued: call this again", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
