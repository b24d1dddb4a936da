"""What hubs, networks and disks do to a download: one sentence each, and what was fetched is not fetched again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import errno, json, os, sys
from pathlib import Path
from engine import HelixError, cached_folder, fetch, read_facts


import huggingface_hub.constants as constants
import huggingface_hub.utils._http as http
constants.DOWNLOAD_CHUNK_SIZE = 10_000
http.time.sleep = lambda seconds: None


said = {}
def failing(key, name, act=fetch):
    try:
        act(name)
        said[key] = None
    except HelixError as error:
        said[key] = str(error)

for name in ("gated", "private", "nowhere", "ill"):
    failing(name, f"org/{name}")
failing("revision", "org/pocket@lost")
failing("revision, weighed", "org/pocket@lost", read_facts)
failing("file", "org/pocket/nothing.gguf")
os.environ["HF_TOKEN"] = "hf_wrong"
failing("token", "org/pocket")
os.environ["HF_TOKEN"] = "hf_right"
failing("gated with a token", "org/gated")
del os.environ["HF_TOKEN"]
failing("dead", "org/dead")

# The connection breaks off again and again.
failing("cut", "org/cut")
said["whole"] = [(f.name, f.stat().st_size) for f in sorted(fetch("org/cut").iterdir())]


class Full:
    def __init__(self, file): self.file = file
    def __getattr__(self, name): return getattr(self.file, name)
    def __enter__(self): self.file.__enter__(); return self
    def __exit__(self, *what): return self.file.__exit__(*what)
    def write(self, data): raise OSError(errno.ENOSPC, "No space left on device")
path_open = Path.open
def full(self, mode="r", *rest, **more):
    file = path_open(self, mode, *rest, **more)
    return Full(file) if str(self).endswith(".incomplete") and mode != "r" else file
Path.open = full
failing("full", "org/full")
Path.open = path_open
failing("full, later", "org/full")

folder = Path(fetch("org/pocket@main"))
said["revision here"] = cached_folder("org/pocket@main") == folder
(folder / "model.safetensors").unlink()
said["half is not here"] = cached_folder("org/pocket@main") is None
failing("half, again", "org/pocket@main")
said["half, fetched"] = (folder / "model.safetensors").is_file()
print(json.dumps(said))
"""
ALONE = """
import json, sys
from engine import HelixError, fetch
try:
    fetch("org/pocket")
except HelixError as error:
    print(str(error))
"""


def run(program: str, home: Path, **environ: str) -> str:
    base = {"HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), **base, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What one program heard from a hub in trouble; all cases in one, for the imports are most of the time."""
    from hub_trouble import TroubledHub

    with TroubledHub(Path(str(resources.files("helix_assets") / "draft"))) as hub:
        said = json.loads(run(PROGRAM, tmp_path_factory.mktemp("home"), HF_ENDPOINT=hub.address))
        said["ranges"], said["cuts"], said["files"] = hub.ranges, hub.cuts, {n: len(d) for n, d in hub.files.items()}
        hub.shutdown()
    yield said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("gated", "org/gated is gated: accept its terms at https://huggingface.co/org/gated, then log in with"),
        ("gated with a token", "org/gated is gated: accept its terms"),
        ("private", "there is no such model on the hub, or it is private; check the name, or log in"),
        ("nowhere", "org/nowhere is no folder here and there is no such model on the hub"),
        ("token", "The hub refuses your token; log in again with `hf auth login`"),
        ("revision", "org/pocket has no revision lost; name one that it has"),
        ("revision, weighed", "org/pocket has no revision lost"),
        ("file", "org/pocket has no such file on the hub"),
        ("dead", "The download of org/dead broke off"),
        ("ill", "could not be had from the hub"),
        ("full", "The disk is full, so org/full could not be downloaded; free some room and start again"),
    ],
)
def test_each_trouble_has_its_sentence(told: dict[str, Any], case: str, words: str) -> None:
    sentence = told[case]
    assert words in sentence and sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400


@pytest.mark.slow
def test_a_download_that_breaks_off_goes_on_from_there(told: dict[str, Any]) -> None:
    assert told["cut"] is None and told["cuts"] == 8
    assert dict(told["whole"]).items() <= told["files"].items() and "model.safetensors" in dict(told["whole"])
    assert any(int(r.removeprefix("bytes=").partition("-")[0]) > 0 for r in told["ranges"]), "it began anew"


@pytest.mark.slow
def test_after_the_disk_has_room_it_works_and_half_a_model_is_not_taken_for_one(told: dict[str, Any]) -> None:
    assert told["full, later"] is None
    assert told["revision here"] and told["half is not here"]
    assert told["half, again"] is None and told["half, fetched"]


@pytest.mark.slow
def test_no_network_and_offline(tmp_path: Path) -> None:
    said = run(ALONE, tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert "org/pocket is no folder here and the hub cannot be reached; check the name and the network" in said
    said = run(ALONE, tmp_path, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE keeps it from being downloaded" in said
