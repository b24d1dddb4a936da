"""What to load where not everything fits: what was asked for, and smaller plans, in the order of what they cost.

Half the width of the numbers comes first, which is hardly seen; then less context; then no draft, which costs speed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ..config import EngineConfig
from ..devices import Device, give_back, pick_device, usable_devices
from ..errors import Offer, OutOfMemory
from ..events import Loading
from ..kv.blocks import BLOCK_SIZE
from ..shortage import is_out_of_memory
from .estimate import Estimate, estimate
from .source import Progress

SHORT_CONTEXT = 2048
LEAST_CONTEXT = 256
MB = 1_000_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What `Engine.load` is to do."""

    target: str | os.PathLike[str]
    draft: str | os.PathLike[str] | None
    device: str
    dtype: Any
    config: EngineConfig
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What is not as it was asked for, as arguments of `Engine.load`."""

    def but(self, **changes: Any) -> Plan:
        own = {name: value for name, value in changes.items() if name in ("draft", "dtype")}
        rest = {name: value for name, value in changes.items() if name not in own}
        return replace(self, **own, config=replace(self.config, **rest), changes={**self.changes, **changes})

    @property
    def words(self) -> str:
        """How it is less than was asked for."""
        said = []
        if "dtype" in self.changes:
            said.append(f"in {self.changes['dtype']}")
        if "max_context" in self.changes:
            said.append(f"with a context of {self.changes['max_context']:,} tokens")
        if "draft" in self.changes:
            said.append("without a draft model")
        return " and ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said)

    def weigh(self) -> Estimate:
        """On the first device where it fits, or the last. Raises HelixError where the models cannot be found."""
        devices = usable_devices() if self.device == "auto" else [pick_device(self.device)]
        weighed = [self._weigh_on(device) for device in devices]
        return next((e for e in weighed if e.fits is not False), weighed[-1])

    def _weigh_on(self, device: Device) -> Estimate:
        dtype = None if self.dtype is None else str(self.dtype).removeprefix("torch.")
        return estimate(
            self.target,
            self.draft,
            device,
            dtype,
            kv_memory=self.config.kv_memory,
            max_context=self.config.max_context,
        )


def smaller(plan: Plan) -> Iterator[tuple[Plan, Estimate]]:
    """Plans that take less and less, each with what the one before gave up. Raises HelixError as `weigh` does."""
    least = plan.weigh()
    for step in (_narrower, _shorter, _undrafted):
        tried = step(plan, least)
        if tried is None:
            continue
        weighed = tried.weigh()
        if weighed.total < least.total:
            plan, least = tried, weighed
            yield plan, weighed


def load(plan: Plan, build: Callable[[Plan], T], progress: Progress) -> T:
    """Build it, or as `plan.config.fit` says a smaller one. Raises OutOfMemory, with an offer where there is one."""
    shortage = _refusal(plan)
    if shortage is None:
        try:
            return build(plan)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            shortage = str(error) if isinstance(error, OutOfMemory) else f"{_title(plan)} does not fit the memory here."
    for fitting, weighed in _fitting(plan):
        if plan.config.fit != "shrink":
            raise OutOfMemory(
                f"{shortage.rstrip('.').partition(';')[0]}; {fitting.words} it would take about {size(weighed.total)}.",
                Offer(fitting.changes, fitting.words, weighed.total),
            )
        progress(Loading(f"too large for the memory here: loading {fitting.words}"))
        give_back(pick_device(weighed.device))
        try:
            return build(fitting)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
    raise OutOfMemory(shortage)


def size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / MB))} MB"


def _narrower(plan: Plan, least: Estimate) -> Plan | None:
    """In 16 bits. Int8 weights are made from others, which have to be there first."""
    device = pick_device(least.device)
    half = next((d for d in ("bfloat16", "float16") if d in device.dtypes), None)
    return plan.but(dtype=half) if half and least.dtype in ("float32", "int8") else None


def _shorter(plan: Plan, least: Estimate) -> Plan | None:
    if not least.tokens:
        return None
    context = min(SHORT_CONTEXT, (plan.config.max_context or least.tokens) // 2)
    if context < LEAST_CONTEXT:
        return None
    bytes_a_token = -(-least.kv // least.tokens)
    return plan.but(max_context=context, kv_memory=-(-context * bytes_a_token // MB) * MB)


def _undrafted(plan: Plan, least: Estimate) -> Plan | None:
    if plan.draft is None or plan.config.drafter == "chain":
        return None
    return plan.but(draft=None)


def _fitting(plan: Plan) -> Iterator[tuple[Plan, Estimate]]:
    try:
        for tried, weighed in smaller(plan):
            if weighed.fits is not False and weighed.tokens >= 2 * BLOCK_SIZE:
                yield tried, weighed
    except Exception:
        return  # Whatever could not be read has been said by then, or will be.


def _refusal(plan: Plan) -> str | None:
    """Why there is no use in trying; None where there may be. What is sure is that weights must fit, and a pool whose
    size was given."""
    if plan.config.fit == "ignore":
        return None
    try:
        weighed = plan.weigh()
    except Exception:
        return None
    pool = weighed.kv if plan.config.kv_memory is not None else 0
    needed = weighed.weights + max(weighed.loading, pool)
    if not weighed.free or not weighed.sure or needed <= weighed.free:
        return None
    return (
        f"{_title(plan)} needs about {size(needed)}, but {weighed.device} has {size(weighed.free)} free; "
        "choose a smaller model, or free some memory."
    )


def _title(plan: Plan) -> str:
    return "The bundled pair" if plan.target == "bundled" else str(plan.target)
