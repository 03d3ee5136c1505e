"""One of several processes that share work."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Processes", "process_rank", "require_processes", "start_processes"]

RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
"""Where torchrun, SLURM and Lightning's own launcher say it."""
MOST = 1024
"""Processes of one machine."""


def process_rank(processes: int) -> int:
    """Gives the rank among the processes of one run; 0 where there is but one.

    Arguments:
        processes: How many the run has.

    Example:
        >>> process_rank(1)
        0
    """
    if processes == 1:
        return 0
    return int(next((os.environ[name] for name in RANKS if name in os.environ), 0))


def require_processes(devices: int, num_nodes: int) -> None:
    """Refuses numbers of processes that would bring a machine down before one of them fails.

    Raises:
        ValueError: Naming the argument.

    Example:
        >>> require_processes(10**9, 1)
        Traceback (most recent call last):
        ValueError: `devices` must be at most 1024, got 1000000000.
    """
    for name, number, most in (("devices", devices, MOST), ("num_nodes", num_nodes, MOST**2)):
        if number < 1:
            raise ValueError(f"`{name}` must be at least 1, got {number}.")
        if number > most:
            raise ValueError(f"`{name}` must be at most {most}, got {number}.")


@dataclass(frozen=True)
class Processes:
    """The processes of a command, as one of them sees them.

    Arguments:
        rank: Which this one is, from 0.
        count: How many there are.
        wait: Returns once all have called it.
    """

    rank: int = 0
    count: int = 1
    wait: Callable[[], None] = lambda: None


def start_processes(devices: int, num_nodes: int = 1) -> Processes:
    """Starts the same command in further processes, unless torchrun or SLURM has.

    Arguments:
        devices: Processes of each machine, at least 1.
        num_nodes: Machines, at least 1.

    Raises:
        ValueError: If a number is less than 1, or the processes are too many.

    Example:
        >>> start_processes(1).count
        1
    """
    require_processes(devices, num_nodes)
    if devices * num_nodes == 1:
        return Processes()
    from lightning.fabric import Fabric

    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    fabric = Fabric(accelerator="cpu", devices=devices, num_nodes=num_nodes, strategy="ddp")
    fabric.launch()
    return Processes(fabric.global_rank, fabric.world_size, fabric.barrier)
