"""The files of weights in a folder: which they are, and whether they are whole. Only headers are read."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelNotFound

INDEX = "model.safetensors.index.json"
PICKLE_INDEX = "pytorch_model.bin.index.json"
PART = re.compile(r"-\d+-of-(\d+)\.(safetensors|bin)$")
HEADER_LIMIT = 100_000_000


def weight_files(folder: Path) -> list[Path]:
    """The weights that transformers would read, whether they are there or not: safetensors before pickles.

    Raises ModelNotFound for an index that cannot be used.
    """
    for whole, index in (("model.safetensors", INDEX), ("pytorch_model.bin", PICKLE_INDEX)):
        if (folder / whole).is_file():
            return [folder / whole]
        if (folder / index).is_file():
            return _of_index(folder / index)
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def missing(folder: Path) -> list[str]:
    """The names of files of weights that should be there and are not, as after a download that broke off."""
    files = weight_files(folder)
    gone = [file.name for file in files if not file.is_file()]
    parts = [int(found[1]) for file in files if (found := PART.search(file.name))]
    # Parts without their index: it was to come later.
    return gone or ([f"part of {max(parts)}"] if parts and len(parts) < max(parts) else [])


def check_weights(folder: Path) -> None:
    """Raise ModelNotFound unless every file of the weights is there and each safetensors file is as long as it says."""
    gone = missing(folder)
    if gone:
        raise ModelNotFound(f"Of the weights in {folder} {gone[0]} is not there; download the model again.")
    for file in weight_files(folder):
        if file.suffix == ".safetensors":
            read_header(file)


def check_complete(told: Mapping[str, Any], path: Path) -> None:
    """Raise ModelNotFound for what transformers would have made up: tensors that are missing or of another shape."""
    wrong = sorted(told.get("mismatched_keys") or (), key=str)
    if wrong:
        name, *shapes = wrong[0] if isinstance(wrong[0], (tuple, list)) else (wrong[0],)
        sizes = f" ({' in the file, '.join(str(tuple(s)) for s in shapes)} in config.json)" if len(shapes) == 2 else ""
        raise ModelNotFound(
            f"The weights in {path} do not fit its configuration: {name} has another shape{sizes}; "
            "download the model again."
        )
    gone = sorted(told.get("missing_keys") or ())
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise ModelNotFound(f"The weights in {path} lack {gone[0]}{more}; download the model again.")


def read_header(file: Path) -> dict[str, Any]:
    """What tensors a safetensors file has: name to dtype, shape and place. Raises ModelNotFound where it is damaged."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size, HEADER_LIMIT):
                raise ValueError("its header is longer than the file")
            header = json.loads(stream.read(length))
        tensors = {name: about for name, about in header.items() if name != "__metadata__"}
        end = 8 + length + max((about["data_offsets"][1] for about in tensors.values()), default=0)
        shapes = all(isinstance(n, int) for about in tensors.values() for n in about["shape"])
    except OSError as error:
        raise ModelNotFound(f"{file} cannot be read ({error.strerror}); check the file's permissions.") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, struct.error) as error:
        raise ModelNotFound(f"{file} is damaged and cannot be read; download it again.") from error
    if end > size or not shapes:
        raise ModelNotFound(f"{file} cannot be read: it is cut short ({size} of {end} bytes); download it again.")
    return tensors


def read_json(file: Path) -> dict[str, Any]:
    """An object from a JSON file. Raises ModelNotFound where it is none."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelNotFound(f"{file} cannot be read ({error.strerror}); check that it is there.") from error
    except (ValueError, RecursionError):
        raise ModelNotFound(f"{file} is damaged; download the model again.") from None
    if not isinstance(value, dict):
        raise ModelNotFound(f"{file} is damaged: it is no JSON object; download the model again.")
    return value


def _of_index(index: Path) -> list[Path]:
    parts = read_json(index).get("weight_map")
    if not isinstance(parts, Mapping) or not parts or not all(isinstance(name, str) for name in parts.values()):
        raise ModelNotFound(f"{index} is damaged: it names no weights; download the model again.")
    names = sorted(set(parts.values()))
    for name in names:
        if not name or "/" in name or "\\" in name or ":" in name or name in (".", ".."):
            raise ModelNotFound(f"{index} names a file outside its folder ({name!r:.80}); do not use this model.")
    return [index.parent / name for name in names]
