"""Measures variants of one piece of work side by side, so that a slow minute of the machine hits all of them alike."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One run: by the clock, and the CPU time of this process alone, which tells a slow machine from slow code.

    `mib` is the most memory that the process ever held, where that was asked for.
    """

    seconds: float
    cpu: float
    mib: float | None = None


Variant: TypeAlias = Callable[[], Took]


def here(work: Callable[[], object], *, before: Callable[[], object] | None = None) -> Variant:
    """A variant that runs in this process; `before` makes it ready and is not measured."""

    def run() -> Took:
        if before is not None:
            before()
        gc.collect()
        cpu, started = time.process_time(), time.perf_counter()
        work()
        return Took(seconds=time.perf_counter() - started, cpu=time.process_time() - cpu)

    return run


def interleaved(variants: Mapping[str, Variant], *, rounds: int) -> dict[str, list[Took]]:
    """Run all variants once in each round, in their order, after one round that does not count."""
    for variant in variants.values():
        variant()
    took: dict[str, list[Took]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, variant in variants.items():
            took[name].append(variant())
    return took


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Ours beside a baseline of the same rounds; `items` is how many rows or calls one run handled."""

    name: str
    ours: Sequence[Took]
    baseline: Sequence[Took]
    items: int
    unit: ClassVar[str] = "µs"

    @property
    def ratio(self) -> float:
        """Baseline ÷ ours, the median of the rounds' pairs: above 1 ours is faster."""
        return statistics.median(base.seconds / own.seconds for own, base in zip(self.ours, self.baseline, strict=True))

    @property
    def cpu_ratio(self) -> float:
        """The same of the process's CPU time."""
        return statistics.median(base.cpu / own.cpu for own, base in zip(self.ours, self.baseline, strict=True))

    @property
    def value(self) -> float:
        """Ours, in µs an item."""
        return _microseconds(self.ours, self.items)

    @property
    def baseline_value(self) -> float:
        """The baseline, in µs an item."""
        return _microseconds(self.baseline, self.items)


def _microseconds(took: Sequence[Took], items: int) -> float:
    return statistics.median(run.seconds for run in took) / items * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure that nothing is compared with."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Two things that must take equally long, so that nobody tells one from the other: medians of single calls."""

    name: str
    ours: Sequence[float]
    baseline: Sequence[float]
    unit: ClassVar[str] = "µs"

    @property
    def ratio(self) -> float:
        """How far the medians lie apart, as a part of the baseline's."""
        return abs(self.value - self.baseline_value) / self.baseline_value

    @property
    def value(self) -> float:
        """Ours, in µs a call."""
        return statistics.median(self.ours) * 1e6

    @property
    def baseline_value(self) -> float:
        """The baseline, in µs a call."""
        return statistics.median(self.baseline) * 1e6


Measured: TypeAlias = Comparison | Figure | Gap
