"""A hub on this machine with one repository, `org/pocket`: just enough of the protocol for huggingface_hub."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "a" * 40
NAME = "org/pocket"


class Hub(ThreadingHTTPServer):
    """Serves the files of a folder until closed. `address` goes into HF_ENDPOINT."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self.sent: list[str] = []
        """The names of the files that were asked for with their content."""
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._file(with_content=False)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if "/resolve/" in path:
            self._file(with_content=True)
        elif not path.startswith(f"/api/models/{NAME}"):
            self._answer(404, b"")
        elif "/tree/" in path:
            self._json(
                [{"type": "file", "path": n, "size": len(d), "oid": _tag(n)} for n, d in self.server.files.items()]
            )
        else:
            files = [{"rfilename": n, "size": len(d), "blobId": _tag(n)} for n, d in self.server.files.items()]
            self._json({"id": NAME, "modelId": NAME, "sha": COMMIT, "siblings": files, "tags": [], "private": False})

    def _file(self, *, with_content: bool) -> None:
        name = self.path.partition("?")[0].split("/")[-1]
        content = self.server.files.get(name)
        if content is None:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        if with_content:
            self.server.sent.append(name)
        about = {"ETag": f'"{_tag(name)}"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(content))}
        self._answer(200, content if with_content else b"", about)

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _tag(name: str) -> str:
    return hashlib.sha1(name.encode()).hexdigest()
