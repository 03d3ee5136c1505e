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
STEP = {"checkpoint": 5, "name": 3}
"""Kind → the short form takes each so-many-th of it, for they train; all of the other kinds."""


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
        if seen[one.kind] % STEP.get(one.kind, 1) == 0:
            yield one
