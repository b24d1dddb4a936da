"""The guard of the emulated device catches what each of its rules is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from directml_device import HERE, emulated
from directml_rules import Guard, kinds
from torch import Tensor


@pytest.fixture
def guard() -> Iterator[Guard]:
    with emulated() as guard, torch.no_grad():
        yield guard


def numbers(*shape: int) -> Tensor:
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape).to(HERE)


OFFENCES: dict[str, tuple[str, Callable[[], object]]] = {
    "an operator without a kernel": ("falls back to the CPU", lambda: numbers(3).roll(1)),
    "one whose composition has none": ("falls back to the CPU", lambda: numbers(3, 3) @ numbers(3)),
    "an index of tensors": ("is a round trip through the CPU", lambda: numbers(3)[torch.tensor([2, 0]).to(HERE)]),
    "a write by an index": (
        "is a round trip through the CPU",
        lambda: numbers(3).__setitem__(torch.tensor([0]).to(HERE), 1.0),
    ),
    "random numbers": ("is a round trip through the CPU", lambda: numbers(3).uniform_()),
    "an operator that nobody looked up": ("is unknown", lambda: numbers(3).erfinv()),
    "bfloat16": ("has an unsupported dtype", lambda: numbers(3).bfloat16()),
    "bfloat16 from the CPU": ("has an unsupported dtype", lambda: torch.ones(3, dtype=torch.bfloat16).to(HERE)),
    "float64": ("has an unsupported dtype", lambda: numbers(3).double()),
    "a sixth axis": ("has over five axes", lambda: numbers(1, 1, 1, 1, 1, 2) + 1),
    "a number times a truth": ("multiplies by bool", lambda: numbers(3) * (numbers(3) > 1)),
    "a number minus a tensor": ("makes a float64 scalar", lambda: 1.0 - numbers(3)),
    "a write to a slice": ("writes to a view at an offset", lambda: numbers(4)[1:].add_(1)),
    "a copy into a slice": ("writes to a view at an offset", lambda: numbers(4).__setitem__(slice(1, 2), 5.0)),
    "an upload into a slice": (
        "writes to a view at an offset",
        lambda: torch.ops.aten.copy_.default(numbers(4)[1:], torch.zeros(3)),
    ),
    "inference mode": ("runs in inference mode", lambda: torch.inference_mode()(lambda: numbers(3) + 1)()),
    "an expanded index": (
        "gathers by an expanded index",
        lambda: numbers(2, 3).gather(1, torch.tensor([[1]]).to(HERE).expand(2, 2)),
    ),
    "part of a row": (
        "scatters by part of a row",
        lambda: numbers(2, 3).scatter(1, torch.tensor([[1]]).to(HERE), numbers(1, 1)),
    ),
}


@pytest.mark.parametrize("planted", OFFENCES)
def test_it_sees(planted: str, guard: Guard) -> None:
    rule, offend = OFFENCES[planted]
    assert guard.offences == {}
    offend()
    assert rule in guard.offences, guard.offences


def test_it_has_nothing_against_what_the_engine_does(guard: Guard) -> None:
    x = numbers(4, 6)
    torch.cat((x[1:], x), 0).index_select(0, torch.tensor([0, 6]).to(HERE))
    torch.bmm(x[None], x.T[None]).float().softmax(-1).cumsum(-1)
    torch.where(x > 2, x, float("-inf")).argmax(-1, keepdim=True)
    x[:2].add_(1)
    assert guard.offences == {} and guard.waits == 0


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.cpu(),
        lambda x: x.sum().item(),
        lambda x: bool(x.sum() > 0),
        lambda x: x.tolist(),
        lambda x: torch.ops.aten.nonzero.default(x),
    ],
)
def test_it_counts_what_waits(wait: Callable[[Tensor], object], guard: Guard) -> None:
    x = numbers(3)
    assert guard.waits == 0
    wait(x)
    assert guard.waits == 1


def test_it_counts_kernels_by_shape_and_scalar(guard: Guard) -> None:
    def compiled(run: Callable[[], object]) -> int:
        before = len(guard.kernels)
        run()
        return len(guard.kernels) - before

    x, y = numbers(4), numbers(5)
    assert compiled(lambda: x + 1) == 1
    assert compiled(lambda: x + 1) == 0
    assert compiled(lambda: x + 2) == 1
    assert compiled(lambda: y + 1) == 1
    assert compiled(lambda: x[1:]) == 0, "a view is no kernel"


def test_devices_do_not_mix(guard: Guard) -> None:
    with pytest.raises(RuntimeError, match="same device"):
        numbers(3) + torch.ones(3)
    assert torch.equal((numbers(3) + torch.tensor(1.0)).cpu(), torch.tensor([1.0, 2.0, 3.0]))


def test_new_memory_is_rubbish(guard: Guard) -> None:
    assert torch.empty(2, device=HERE).cpu().isnan().all()


def test_the_table_is_of_the_library(guard: Guard) -> None:
    """A few that were looked up by hand."""
    known = kinds()
    assert known["index_select"] == known["where.self"] == known["addmm.out"] == "native"
    assert known["roll"] == known["addmv.out"] == "fallback"
    assert known["silu"] == "structured" and known["slice.Tensor"] == "explicit" and known["matmul"] == "implicit"
    assert len(known) > 600
