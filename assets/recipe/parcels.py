"""Folders as byte-exact parcels under a size limit: what goes to a lent machine in pieces, and what comes back."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

MANIFEST = "parcels.json"
PIECE = 1 << 20


def wrap(sources: list[Path], out: Path, name: str, largest: int, *, squeeze: bool = False) -> list[Path]:
    """A tar of files and folders (`squeeze`: in xz) cut to `name`.00, .01, ... of at most `largest` bytes.

    A manifest beside them has the count and the whole's sha256, so that `unwrap` knows when all is there and right.
    """
    out.mkdir(parents=True, exist_ok=True)
    whole = out / f"{name}.whole"
    with tarfile.open(whole, "w:xz" if squeeze else "w") as tar:
        for source in sources:
            tar.add(source, arcname=source.name)
    parcels: list[Path] = []
    with whole.open("rb") as file:
        while piece := file.read(largest):
            parcels.append(out / f"{name}.{len(parcels):02}")
            parcels[-1].write_bytes(piece)
    digest = _sha256([whole])
    whole.unlink()
    (out / f"{name}.{MANIFEST}").write_text(json.dumps({"count": len(parcels), "sha256": digest}), encoding="utf-8")
    return parcels


def unwrap(folder: Path, name: str, to: Path) -> bool:
    """Unpack into `to` once all parcels are in `folder`; False while some are missing. Raises ValueError on damage."""
    manifest = folder / f"{name}.{MANIFEST}"
    if not manifest.is_file():
        return False
    said = json.loads(manifest.read_text(encoding="utf-8"))
    parcels = [folder / f"{name}.{i:02}" for i in range(said["count"])]
    if not all(p.is_file() for p in parcels):
        return False
    if _sha256(parcels) != said["sha256"]:
        raise ValueError(f"{name} came damaged: fetch its parcels again")
    to.mkdir(parents=True, exist_ok=True)
    whole = to / f"{name}.whole"
    with whole.open("wb") as file:
        for parcel in parcels:
            file.write(parcel.read_bytes())
    with tarfile.open(whole) as tar:
        tar.extractall(to, filter="data")
    whole.unlink()
    return True


def _sha256(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    return digest.hexdigest()
