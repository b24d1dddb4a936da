"""A device without memory for a step: how each backend says so, and what the engine goes without for a while."""

from __future__ import annotations

from dataclasses import dataclass

SIGNS = (
    "out of memory",  # CUDA, ROCm, MPS and XPU, through torch.
    "can't allocate memory",  # torch's allocator for CPUs; the same words with "not enough memory" on Windows.
    "not enough memory",
    "not enough GPU video memory",  # DirectML.
    "Could not allocate tensor",
    "8007000E",  # E_OUTOFMEMORY
    "Cannot allocate memory",  # ENOMEM, as of a file that is mapped.
    "paging file is too small",  # The same on Windows.
    "bad_alloc",
    "_STATUS_ALLOC_FAILED",  # cuBLAS and cuDNN, for their workspaces.
    "OUT_OF_DEVICE_MEMORY",  # Level Zero, beneath XPU.
    "OUT_OF_HOST_MEMORY",
)
QUIET = 32
"""Steps that go well before a restraint is lifted."""
SMALL_CHUNK = 64
"""Prompt tokens in one forward while memory is short."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, ran out of memory; also where a library wrapped the error that said so."""
    while True:
        if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "OutOfMemory"):
            return True
        if any(sign in str(error) for sign in SIGNS):
            return True
        if error.__cause__ is None:
            return False
        error = error.__cause__


@dataclass(slots=True)
class Restraint:
    """What steps go without after a shortage, until enough of them went well."""

    tried: bool = False
    """Whether unused memory was given back to the device, and that did not help."""
    strict: bool = False
    """No drafts, and prompts in small pieces: less is held at once."""
    _quiet: int = 0

    def tighten(self) -> bool:
        """The next measure; False when there is none but to run fewer."""
        self._quiet = 0
        if not self.tried:
            self.tried = True
        elif not self.strict:
            self.strict = True
        else:
            return False
        return True

    def passed(self) -> None:
        """A step went well."""
        self._quiet += 1
        if self._quiet >= QUIET:
            self.tried = self.strict = False

    def chunk(self, whole: int) -> int:
        return min(whole, SMALL_CHUNK) if self.strict else whole
