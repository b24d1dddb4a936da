"""A download over HTTP with the real huggingface_hub: weighed first, stopped in the middle, taken up again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json
from engine import ModelNotFound, cached_folder, estimate, fetch, read_facts
from engine.events import Loading

class Stop(BaseException): ...

def stop(event):
    if isinstance(event, Loading) and event.done: raise Stop

said = {"download": read_facts("org/pocket").download, "weights": estimate("org/pocket", None, "cpu").weights}
said["here before"] = cached_folder("org/pocket") is not None
try:
    fetch("org/pocket", stop)
    said["stopped"] = False
except Stop:
    said["stopped"] = True
events = []
folder = fetch("org/pocket", events.append)
steps = [(e.done, e.total) for e in events if e.done]
said |= {"files": sorted(f.name for f in folder.iterdir()), "last": steps[-1], "rising": steps == sorted(steps)}
said["here after"] = cached_folder("org/pocket") == folder
try:
    fetch("org/nowhere")
except ModelNotFound as error:
    said["nowhere"] = str(error)
print(json.dumps(said))
"""


@pytest.mark.slow
def test_a_download_can_be_stopped_and_taken_up_again(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "tests/stubs"))
    from hub import Hub

    bundled = Path(str(resources.files("helix_assets") / "target"))
    with Hub(bundled) as hub:
        environ = {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        hub.shutdown()
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    weights = (bundled / "model.safetensors").stat().st_size
    assert said["stopped"] and said["rising"] and not said["here before"] and said["here after"]
    assert weights <= said["download"] < 2 * weights and said["weights"] >= weights
    assert "model.safetensors" in said["files"] and said["last"][0] == said["last"][1]
    assert "org/nowhere is no folder here" in said["nowhere"]
    assert hub.sent.count("config.json") == 1, "what was here already is not fetched again"
