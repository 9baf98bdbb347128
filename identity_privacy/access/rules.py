"""What follows from sign-ins, reckoned from values alone."""

from collections.abc import Collection
from dataclasses import dataclass

from identity_privacy.access.terms import Familiarity


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """By what a sign-in is compared with earlier ones of the same person: keyed hashes, and coarse words."""

    device: str
    network: str
    browser: str
    platform: str


def familiarity(now: Marks, earlier: Collection[Marks]) -> Familiarity:
    """Whether a sign-in looks like the earlier ones.

    A device is known by its signed cookie in the same browser on the same platform: a cookie that was copied elsewhere
    is a new device. A known device on a network that was never used is a new place.
    """
    if not earlier:
        return Familiarity.FIRST
    same = {(one.device, one.browser, one.platform) for one in earlier}
    if (now.device, now.browser, now.platform) not in same:
        return Familiarity.NEW_DEVICE
    return Familiarity.KNOWN if now.network in {one.network for one in earlier} else Familiarity.NEW_PLACE
