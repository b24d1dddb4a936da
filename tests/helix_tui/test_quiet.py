"""The log that everything else goes to. That the screen stays clean is shown in `test_terminal.py`."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from waiting import PATIENCE

from helix_tui.quiet import ENVIRONMENT, LOG_LIMIT, hush_libraries, log_path, quiet


def test_logging_and_warnings_go_to_the_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep" / "x.log"
    before = logging.getLogger().handlers[:]
    with quiet(path) as log:
        assert log == path
        logging.getLogger("some.library").error("an error")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn("a warning", stacklevel=1)
    assert "an error" in path.read_text() and "a warning" in path.read_text()
    assert logging.getLogger().handlers == before
    assert "an error" not in "".join(capfd.readouterr())


def test_a_log_that_cannot_be_written_is_no_reason_not_to_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with quiet(tmp_path / "file" / "x.log") as log:
        logging.getLogger().error("lost")
    assert log == Path(os.devnull)


def test_a_long_log_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("x" * (LOG_LIMIT + 1))
    with quiet(path):
        logging.getLogger().error("new")
    assert "new" in path.read_text() and len(path.read_text()) < 1000
    assert (tmp_path / "x.old.log").exists()


def test_libraries_are_asked_to_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    hush_libraries()
    assert os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] == "1"
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "error"
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"


def test_the_log_lies_in_the_users_folder() -> None:
    assert log_path().name == "helix-chat.log"
    assert "helix-chat" in log_path().parent.as_posix()


def test_without_a_terminal_nothing_is_redirected(tmp_path: Path) -> None:
    code = (
        "from helix_tui.quiet import quiet; import os, pathlib\nwith quiet(pathlib.Path('x.log')): os.write(2, b'kept')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"kept")
