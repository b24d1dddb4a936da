"""Where a model's files are: the bundled pair, a folder, or the hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import ModelNotFound
from ..events import Event, Loading

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
SMALL_FILES = ["*.json", "*.jinja", "*.model", "*.txt"]
HUB_SECONDS = 10.0
Progress = Callable[[Event], None]


def bundled(role: str) -> Path:
    """The folder of the bundled "target" or "draft", wherever the package is installed."""
    folder = Path(str(resources.files("helix_assets") / role))
    if not (folder / "config.json").is_file():
        raise ModelNotFound(f"The bundled {role} is missing from this installation; install helix-chat again.")
    return folder


def locate(name: str | os.PathLike[str], role: str, progress: Progress) -> Path:
    """The folder of `name`: "bundled", a folder, or a hub id such as `org/model`, downloaded if it is not here yet.

    Raises ModelNotFound.
    """
    if name == "bundled":
        return bundled(role)
    folder = Path(name).expanduser()
    if folder.is_dir():
        _check_folder(folder)
        return folder
    text = str(name)
    if folder.exists() or folder.is_absolute() or text.startswith((".", "~")) or text.count("/") > 1 or "\\" in text:
        raise ModelNotFound(
            f"There is no folder {text}; give a folder with config.json and weights, a hub id, or bundled."
        )
    folder = _download(text, progress)
    _check_folder(folder)
    return folder


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelNotFound(
            f"{folder} has no config.json, so it is no model folder; give one in the Hugging Face layout."
        )
    if not any(path for pattern in WEIGHTS for path in folder.glob(pattern)):
        raise ModelNotFound(f"{folder} has no weights (*.safetensors); download them into it or choose another model.")


def _download(repository: str, progress: Progress) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        try:
            folder = Path(snapshot_download(repository, local_files_only=True))
            if any(path for pattern in WEIGHTS for path in folder.glob(pattern)):
                return folder
        except HFValidationError:
            raise
        except Exception:
            pass  # Not here yet: ask the hub.
        progress(Loading(f"looking up {repository}"))
        # With a time limit this asks once; the download itself would try for half a minute to reach the hub.
        files = HfApi().model_info(repository, timeout=HUB_SECONDS).siblings or []
        patterns = _patterns(f.rfilename for f in files)
        return Path(snapshot_download(repository, allow_patterns=patterns, tqdm_class=_bar(repository, progress)))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ModelNotFound(
            f"{repository} is no folder here and could not be had from the hub ({reason}); "
            "check the name and the network, or give a folder."
        ) from error


def fetch(name: str, progress: Progress = lambda event: None) -> Path:
    """The folder of a model, downloaded first if it is on the hub only; `progress` gets Loading events.

    What `progress` raises ends the download; what came of it is kept for the next one. Raises ModelNotFound.
    """
    return locate(name, "target", progress)


def wanted_files(names: Iterable[str]) -> list[str]:
    """Those files of a hub repository that a download takes."""
    all_of = list(names)
    return [name for name in all_of if any(fnmatch(name, pattern) for pattern in _patterns(all_of))]


def _patterns(files: Iterable[str]) -> list[str]:
    """Safetensors where there are any: the same weights often lie beside them in another form."""
    weights = WEIGHTS[0] if any(name.endswith(".safetensors") for name in files) else WEIGHTS[1]
    return [*SMALL_FILES, weights]


def _bar(repository: str, progress: Progress) -> Any:
    """A class with tqdm's face that tells `progress` about bytes; nothing is ever printed."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        _furthest = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # Disabled bars draw nothing; the count below is ours.
            kwargs["disable"] = True
            kwargs.pop("name", None)
            super().__init__(*args, **kwargs)
            self._in_bytes = kwargs.get("unit") == "B"
            self._done = 0

        def update(self, n: float | None = 1) -> None:
            self._done += int(n or 0)
            # Two bars may count the same bytes, from the network and onto the disk; `total` grows from outside.
            if self._in_bytes and self._done > Bar._furthest:
                Bar._furthest = self._done
                progress(Loading(f"downloading {repository}", self._done, max(int(self.total or 0), self._done)))

    return Bar
