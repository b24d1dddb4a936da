"""Models on the hub: downloaded once, taken up again where a download broke off, and every refusal in one sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ..errors import HelixError, ModelNotFound
from ..events import Event, Loading
from .shards import missing, weight_files

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
SMALL_FILES = ["*.json", "*.jinja", "*.model", "*.txt"]
CODE = "*.py"
HUB_SECONDS = 10.0
Progress = Callable[[Event], None]


def split(name: str) -> tuple[str, str | None]:
    """`org/model@revision` as its two parts; None for the newest."""
    repository, _, revision = name.partition("@")
    return repository, revision or None


def cached_folder(name: str) -> Path | None:
    """Where a hub id lies on this machine with all of its weights, or None."""
    from huggingface_hub import snapshot_download

    repository, revision = split(name)
    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
        here = (folder / "config.json").is_file() and bool(weight_files(folder)) and not missing(folder)
    except Exception:
        return None
    return folder if here else None


def download(name: str, progress: Progress, *, pickle: bool = False, code: bool = False) -> Path:
    """The folder of a hub id, fetched if it is not here whole. Raises ModelNotFound.

    `pickle`: also weights that are only pickles. `code`: Python files too.
    """
    here = cached_folder(name)
    if here is not None:
        return here
    from huggingface_hub import HfApi, snapshot_download

    repository, revision = split(name)
    try:
        progress(Loading(f"looking up {name}"))
        # With a time limit this asks once; the download itself would try for half a minute to reach the hub.
        info = HfApi().model_info(repository, revision=revision, timeout=HUB_SECONDS)
        patterns = _patterns((file.rfilename for file in info.siblings or []), name, pickle)
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=[*patterns, CODE] if code else patterns,
                tqdm_class=_bar(name, progress),
            )
        )
    except HelixError:
        raise
    except Exception as error:
        raise explain(error, name) from error


def download_file(name: str, file: str, progress: Progress) -> Path:
    """One file of a hub id, such as a GGUF. Raises ModelNotFound."""
    from huggingface_hub import hf_hub_download

    repository, revision = split(name)
    try:
        try:
            return Path(hf_hub_download(repository, file, revision=revision, local_files_only=True))
        except FileNotFoundError:
            bar = _bar(f"{name}/{file}", progress)
            return Path(hf_hub_download(repository, file, revision=revision, tqdm_class=bar))
    except Exception as error:
        raise explain(error, name) from error


def wanted_files(names: Iterable[str]) -> list[str]:
    """Those files of a hub repository that a download takes."""
    all_of = list(names)
    return [name for name in all_of if any(fnmatch(name, pattern) for pattern in _patterns(all_of, "", True))]


def explain(error: Exception, name: str) -> ModelNotFound:
    """Why the hub gave no model, and what to do."""
    repository, revision = split(name)
    chain = list(_chain(error))
    kinds = {kind.__name__ for each in chain for kind in type(each).__mro__}
    status = next((s for each in chain if (s := getattr(getattr(each, "response", None), "status_code", None))), None)
    text = " ".join(str(each) for each in chain)
    if any(isinstance(each, OSError) and each.errno == errno.ENOSPC for each in chain):
        return ModelNotFound(
            f"The disk is full, so {name} could not be downloaded; free some room and start again: "
            "it goes on from there."
        )
    if any(isinstance(each, PermissionError) and each.filename for each in chain):
        return ModelNotFound(f"{name} cannot be stored ({_line(error)}); make the folder writable or set HF_HOME.")
    if "OfflineModeIsEnabled" in kinds:
        return ModelNotFound(
            f"{name} is not on this machine and HF_HUB_OFFLINE keeps it from being downloaded; "
            "unset that, or give a folder."
        )
    if "GatedRepoError" in kinds:
        return ModelNotFound(
            f"{repository} is gated: accept its terms at https://huggingface.co/{repository}, "
            "then log in with `hf auth login` or put a token into HF_TOKEN."
        )
    if status == 401 and ("Invalid credentials" in text or "expired" in text):
        return ModelNotFound(
            "The hub refuses your token; log in again with `hf auth login`, or correct or unset HF_TOKEN."
        )
    if "RevisionNotFoundError" in kinds:
        return ModelNotFound(f"{repository} has no revision {revision or 'main'}; name one that it has, or none.")
    if "RepositoryNotFoundError" in kinds or status in (401, 403):
        return ModelNotFound(
            f"{name} is no folder here and there is no such model on the hub, or it is private; "
            "check the name, or log in with `hf auth login`."
        )
    if "EntryNotFoundError" in kinds and status == 404:
        return ModelNotFound(f"{repository} has no such file on the hub; check the name.")
    if kinds & {"RemoteProtocolError", "ReadError", "ReadTimeout", "ChunkedEncodingError", "IncompleteRead"}:
        return ModelNotFound(
            f"The download of {name} broke off ({_line(error)}); start again and it goes on from there."
        )
    if kinds & {"TransportError", "ConnectionError", "ConnectError", "TimeoutException", "TimeoutError"}:
        return ModelNotFound(
            f"{name} is no folder here and the hub cannot be reached; check the name and the network, or give a folder."
        )
    return ModelNotFound(
        f"{name} is no folder here and could not be had from the hub ({_line(error)}); "
        "check the name and the network, or give a folder."
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")[:160]


def _patterns(files: Iterable[str], name: str, pickle: bool) -> list[str]:
    """Safetensors where there are any: the same weights often lie beside them in another form."""
    names = list(files)
    if any(each.endswith(".safetensors") for each in names):
        return [*SMALL_FILES, WEIGHTS[0]]
    if not pickle and any(fnmatch(each, WEIGHTS[1]) for each in names):
        raise only_pickles(name)
    ggufs = sorted(each for each in names if each.endswith(".gguf"))
    if ggufs and not any(fnmatch(each, WEIGHTS[1]) for each in names):
        raise ModelNotFound(f"{name} has GGUF files; name one of them, such as {name}/{ggufs[0]}.")
    return [*SMALL_FILES, WEIGHTS[1]]


def only_pickles(name: str | os.PathLike[str]) -> ModelNotFound:
    return ModelNotFound(
        f"{name} has its weights only as pickles (*.bin), not as safetensors; "
        "choose another, or allow them with --allow-pickle if you trust its maker."
    )


def _bar(name: str, progress: Progress) -> Any:
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
                progress(Loading(f"downloading {name}", self._done, max(int(self.total or 0), self._done)))

    return Bar
