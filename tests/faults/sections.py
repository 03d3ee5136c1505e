"""The sections of the bench, each with its short and its complete form."""

from collections.abc import Callable

from arguments import misuse
from command_lines import mistype
from damage import damage
from disks import fill, forbid
from kills import kill
from rivals import compete
from scenes import Scene
from strange_data import puzzle
from tally import Tally

__all__ = ["SECTIONS"]

KILLS = {
    "train": {"moment": 30, "operation": 48, "byte": 16},
    "train --overwrite": {"moment": 6, "operation": 20},
    "evaluate": {"moment": 12, "operation": 12, "byte": 8},
    "encode": {"moment": 8, "operation": 6, "byte": 4},
    "decode": {"moment": 4, "operation": 6, "byte": 4},
    "compress": {"moment": 8, "operation": 6, "byte": 4},
    "compress --lossy": {"moment": 4, "operation": 6, "byte": 4},
    "decompress": {"moment": 4, "operation": 6, "byte": 4},
    "sample": {"moment": 3, "operation": 4},
    "reconstruct": {"moment": 3, "operation": 4},
    "prior": {"moment": 6, "operation": 12},
    "export": {"moment": 3, "operation": 3},
}
FEW_KILLS = {
    "train": {"moment": 2, "operation": 3, "byte": 1},
    "evaluate": {"moment": 1, "operation": 1},
    "encode": {"operation": 2},
    "compress": {"operation": 2, "byte": 1},
}
DISKS = {
    "train": 12,
    "evaluate": 8,
    "encode": 3,
    "decode": 3,
    "compress": 3,
    "compress --lossy": 3,
    "decompress": 3,
    "sample": 3,
    "reconstruct": 3,
    "prior": 4,
    "export": 1,
}
FEW_DISKS = {"train": 2, "encode": 1, "compress": 1}


def _kills(scene: Scene, short: bool, seed: int) -> Tally:
    return kill(scene, FEW_KILLS if short else KILLS, seed)


def _full(scene: Scene, short: bool, seed: int) -> Tally:
    return fill(scene, FEW_DISKS if short else DISKS, seed)


def _read_only(scene: Scene, short: bool, seed: int) -> Tally:
    return forbid(scene, FEW_DISKS if short else DISKS, seed)


def _rivals(scene: Scene, short: bool, seed: int) -> Tally:
    return compete(scene, 1 if short else 4, seed)


def _damaged(scene: Scene, short: bool, seed: int) -> Tally:
    return damage(scene, 2 if short else 25, seed)


def _arguments(scene: Scene, short: bool, seed: int) -> Tally:
    return misuse(scene, 2 if short else 52, seed)


def _commands(scene: Scene, short: bool, seed: int) -> Tally:
    return mistype(scene, 5 if short else 160, seed)


def _strange(scene: Scene, short: bool, seed: int) -> Tally:
    return puzzle(scene, short)


SECTIONS: dict[str, Callable[[Scene, bool, int], Tally]] = {
    "kills": _kills,
    "disks": _full,
    "read-only": _read_only,
    "rivals": _rivals,
    "damage": _damaged,
    "arguments": _arguments,
    "commands": _commands,
    "data": _strange,
}
"""Name → what runs it, in its short or its complete form."""
