"""All attacks, from the worst on; each is opened, and nothing of it may come true."""

from collections.abc import Iterator

from attack import Attack, attempt
from attacks_data import DATA
from attacks_models import MODELS
from attacks_names import NAMES
from attacks_runs import RUNS
from scenes import Scene
from tally import Tally

__all__ = ["ATTACKS", "attack"]

ATTACKS: tuple[Attack, ...] = (*RUNS, *MODELS, *DATA, *NAMES)
USUAL = 5
STEP = {"checkpoint": 12, "name": 14, "data": 7, "pipe": 3, "text": 4}
"""Kind → the short form takes each so-many-th of it, fewer of those that train; else `USUAL`."""


def attack(scene: Scene, short: bool) -> Tally:
    """Opens what strangers send: runs, models, archives, data, names."""
    tally = Tally("attacks")
    for one in _some() if short else ATTACKS:
        fault, refused = attempt(scene, one)
        tally.count(one.kind, fault, one.name, refused)
    return tally.done()


def _some() -> Iterator[Attack]:
    seen: dict[str, int] = {}
    for one in ATTACKS:
        seen[one.kind] = seen.get(one.kind, -1) + 1
        if seen[one.kind] % STEP.get(one.kind, USUAL) == 0:
            yield one
