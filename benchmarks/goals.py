"""What each figure has to reach: on the ratio where the name holds `_vs_`, else on the value."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

COMPARE: Mapping[str, Callable[[float, float], bool]] = {"≥": operator.ge, "≤": operator.le, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound such as `≥ 0.4`."""

    sign: str
    figure: float

    def is_met_by(self, figure: float) -> bool:
        """Whether a figure keeps the bound."""
        return COMPARE[self.sign](figure, self.figure)

    def __str__(self) -> str:
        return f"{self.sign} {self.figure:,g}"


# On PostgreSQL. Figures of other back ends carry names of their own and have no goal.
GOALS: Mapping[str, Goal] = {
    "read_all_vs_plain": Goal("≥", 0.40),
    "read_one_vs_plain": Goal("≥", 0.55),
    "read_attribute_vs_plain": Goal("≥", 0.75),
    "bulk_write_vs_plain": Goal("≥", 0.55),
    "copy_write_vs_plain": Goal("≥", 1.1),
    "lookup_vs_plain": Goal("≥", 0.80),
    "read_all_vs_best_package": Goal("≥", 5),
    "read_one_vs_best_package": Goal("≥", 7),
    "record_vs_plain_insert": Goal("≥", 1.0),
    "record_8_writers_vs_plain": Goal("≥", 1.1),
    "sequence_entries_per_s": Goal("≥", 80_000),
    "verify_1m_s": Goal("<", 15),
    "verify_1m_mib": Goal("<", 100),
    "inclusion_proof_1m_ms": Goal("<", 3),
    "known_vs_unknown_address_gap": Goal("≤", 0.05),
}
