"""Where a model's files are: the bundled pair, a folder, a GGUF file, or the hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import ModelNotFound, UnsupportedModel
from . import hub
from .hub import Progress
from .shards import weight_files

GGUF = ".gguf"


def bundled(role: str) -> Path:
    """The folder of the bundled "target" or "draft", wherever the package is installed."""
    folder = Path(str(resources.files("helix_assets") / role))
    if not (folder / "config.json").is_file():
        raise ModelNotFound(f"The bundled {role} is missing from this installation; install helix-chat again.")
    return folder


def locate(
    name: str | os.PathLike[str], role: str, progress: Progress, *, pickle: bool = False, code: bool = False
) -> Path:
    """The folder of `name`, or its GGUF file: "bundled", a folder, a GGUF file, or a hub id such as `org/model`,
    `org/model@revision` or `org/model/file.gguf`, downloaded if it is not here yet.

    `pickle`: weights may be pickles (*.bin). `code`: fetch the Python files of a hub id too. Raises ModelNotFound.
    """
    if name == "bundled":
        return bundled(role)
    path = Path(name).expanduser()
    text = str(name)
    if path.is_dir():
        return _in_folder(path, pickle)
    if path.is_file():
        if path.suffix.lower() == GGUF:
            return path
        raise ModelNotFound(f"{text} is a file; give the folder that it is in, a GGUF file, or a hub id.")
    parts = text.split("/")
    if path.is_absolute() or text.startswith((".", "~")) or "\\" in text or not _on_hub(parts):
        raise ModelNotFound(
            f"There is no folder {text}; give a folder with config.json and weights, a hub id, or bundled."
        )
    if len(parts) == 3:
        return hub.download_file("/".join(parts[:2]), parts[2], progress)
    return _in_folder(hub.download(text, progress, pickle=pickle, code=code), pickle)


def fetch(name: str, progress: Progress = lambda event: None) -> Path:
    """The folder of a model, downloaded first if it is on the hub only; `progress` gets Loading events.

    What `progress` raises ends the download; what came of it is kept for the next one. Raises ModelNotFound.
    """
    return locate(name, "target", progress)


def _on_hub(parts: list[str]) -> bool:
    """Whether it can be a model there, or one of its files."""
    return len(parts) <= 2 or (len(parts) == 3 and parts[2].lower().endswith(GGUF))


def _in_folder(folder: Path, pickle: bool) -> Path:
    if not (folder / "config.json").is_file():
        ggufs = sorted(folder.glob("*.gguf"))
        if len(ggufs) == 1:
            return ggufs[0]
        if ggufs:
            raise ModelNotFound(f"{folder} has {len(ggufs)} GGUF files; give one of them, such as {ggufs[0]}.")
        if (folder / "adapter_config.json").is_file():
            raise ModelNotFound(f"{folder} is an adapter, not a model; merge it into its model and give that.")
        raise ModelNotFound(
            f"{folder} has no config.json, so it is no model folder; give one in the Hugging Face layout."
        )
    weights = weight_files(folder)
    if not weights:
        raise ModelNotFound(f"{folder} has no weights (*.safetensors); download them into it or choose another model.")
    if not pickle and weights[0].suffix == ".bin":
        raise hub.only_pickles(folder)
    return folder


def pretrained(path: Path, *, code: bool = False) -> dict[str, Any]:
    """What `from_pretrained` of transformers takes for a folder or a GGUF file.

    Unless it is told that the folder's own code shall not run, transformers asks on stdin.
    """
    named = {"gguf_file": path.name} if path.suffix.lower() == GGUF else {}
    folder = path.parent if named else path
    return {
        "pretrained_model_name_or_path": str(folder), "local_files_only": True, "trust_remote_code": code, **named,
    }  # fmt: skip


def own_code(path: Path) -> UnsupportedModel:
    return UnsupportedModel(
        f"{path} runs only with Python code of its own; read it, and if you trust its maker, "
        "allow it with --trust-remote-code."
    )


@contextmanager
def quiet() -> Iterator[None]:
    """transformers draws bars and writes reports on stderr, in the middle of a screen; ours are events and errors."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
