"""The sections of the bench, each with its short and its complete form."""

from collections.abc import Callable

from arguments import misuse
from attacks import attack
from command_lines import mistype
from damage import damage
from disks import fill, forbid
from kills import kill
from rivals import PAIRS, compete
from scenes import Scene
from strange_data import puzzle
from tally import Tally

__all__ = ["SECTIONS"]

KILLS = {
    "train": {"moment": 16, "operation": 40, "byte": 12},
    "train --overwrite": {"moment": 4, "operation": 14},
    "evaluate": {"moment": 8, "operation": 10, "byte": 6},
    "encode": {"moment": 4, "operation": 6, "byte": 4},
    "decode": {"moment": 3, "operation": 6, "byte": 3},
    "compress": {"moment": 4, "operation": 6, "byte": 4},
    "compress --lossy": {"moment": 2, "operation": 6, "byte": 3},
    "decompress": {"moment": 2, "operation": 6, "byte": 3},
    "sample": {"moment": 2, "operation": 4},
    "reconstruct": {"moment": 2, "operation": 4},
    "prior": {"moment": 4, "operation": 10, "byte": 3},
    "export": {"moment": 1, "operation": 2},
}
FEW_KILLS = {
    "train": {"moment": 1, "operation": 1, "byte": 1},
    "encode": {"operation": 2},
    "compress": {"byte": 1},
}
DISKS = {
    "train": 8,
    "evaluate": 5,
    "encode": 2,
    "decode": 2,
    "compress": 2,
    "compress --lossy": 2,
    "decompress": 2,
    "sample": 2,
    "reconstruct": 2,
    "prior": 3,
    "export": 1,
}
FEW_DISKS = {"train": 1, "encode": 1}

FEW_PAIRS = ("train, train", "encode, resume")


def _kills(scene: Scene, times: int, seed: int) -> Tally:
    many = {job: {how: n * times for how, n in kinds.items()} for job, kinds in KILLS.items()}
    return kill(scene, many if times else FEW_KILLS, seed)


def _full(scene: Scene, times: int, seed: int) -> Tally:
    return fill(scene, {job: n * times for job, n in DISKS.items()} if times else FEW_DISKS, seed)


def _read_only(scene: Scene, times: int, seed: int) -> Tally:
    return forbid(scene, DISKS if times else FEW_DISKS, seed)


def _rivals(scene: Scene, times: int, seed: int) -> Tally:
    return compete(scene, tuple(PAIRS), 3 * times) if times else compete(scene, FEW_PAIRS, 1)


def _damaged(scene: Scene, times: int, seed: int) -> Tally:
    return damage(scene, max(1, 25 * times), seed)


def _arguments(scene: Scene, times: int, seed: int) -> Tally:
    return misuse(scene, max(1, 52 * times), seed)


def _commands(scene: Scene, times: int, seed: int) -> Tally:
    return mistype(scene, max(3, 160 * times), seed)


def _strange(scene: Scene, times: int, seed: int) -> Tally:
    return puzzle(scene, short=not times)


def _attacks(scene: Scene, times: int, seed: int) -> Tally:
    return attack(scene, short=not times)


SECTIONS: dict[str, Callable[[Scene, int, int], Tally]] = {
    "kills": _kills,
    "disks": _full,
    "read-only": _read_only,
    "rivals": _rivals,
    "damage": _damaged,
    "arguments": _arguments,
    "commands": _commands,
    "data": _strange,
    "attacks": _attacks,
}
"""Name → what runs it: 0 times the complete form is the short one."""
