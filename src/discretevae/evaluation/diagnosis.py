"""Whether a code has collapsed: one diagnosis, and one thing to do about it."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discretevae.evaluation.code_health import DEAD, CodeHealth

__all__ = ["Diagnosis", "diagnose"]

FEW_STEPS, MANY_EPOCHS = 2_000, 500
"""Fewer steps are a reason for a code that is not used; from so many epochs on more are no remedy:
few rows would be learned by heart."""
FLOOR = 0.5
"""Nats that each latent may cost, where nothing else makes it say something."""


@dataclass(frozen=True)
class Diagnosis:
    """What has collapsed, and what to change.

    Arguments:
        says: What has collapsed.
        why: What to do, in words.
        options: The same as options: name → value.
        total: Whether no latent says anything.

    Example:
        >>> found = Diagnosis("All is lost.", "Use fewer latents", {"num_latents": 2})
        >>> print(found.advice(Path("runs/demo/config.yaml")))
        Use fewer latents: discretevae train --config runs/demo/config.yaml --num-latents 2
        >>> print(found)
        All is lost. Use fewer latents: num_latents=2
    """

    says: str
    why: str
    options: Mapping[str, Any]
    total: bool = False

    def advice(self, config: Path | None = None) -> str:
        """Says what to do: as a command, where there is a configuration to start from."""
        if config is None:
            given = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
            return f"{self.why}: {given}"
        flags = [
            word for k, v in self.options.items() for word in (f"--{k.replace('_', '-')}", str(v))
        ]
        return (
            f"{self.why}: {shlex.join(['discretevae', 'train', '--config', str(config), *flags])}"
        )

    def __str__(self) -> str:
        return f"{self.says} {self.advice()}"


def diagnose(
    health: CodeHealth, *, beta: float = 1.0, epochs: int | None = None, steps: int = FEW_STEPS
) -> Diagnosis | None:
    """Finds what has collapsed, if anything, and the one change that is likeliest to help.

    Arguments:
        health: Of the code.
        beta: Weight of the KL at the end of training.
        epochs: Of the training.
        steps: Of the training.

    Example:
        >>> import torch
        >>> one, none = torch.ones(2), torch.zeros(2)
        >>> found = diagnose(CodeHealth(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), one, none, 1, 100))
        >>> found.says, found.options
        ('1 of 2 latents carries almost no information about the data.', {'num_latents': 1})
    """
    latents, categories = health.usage.shape
    active = health.active_latents
    if active < latents:
        return _of_latents(health, active, latents, beta, epochs, steps)
    if health.dead_categories > latents * categories // 4:
        used = float((health.usage >= DEAD).double().sum(-1).mean())
        return Diagnosis(
            f"{health.dead_categories} of {latents * categories} categories are used by fewer than "
            "0.1 % of examples.",
            "Use fewer",
            {"num_categories": max(2, math.ceil(used))},
        )
    return None


def _of_latents(
    health: CodeHealth, active: int, latents: int, beta: float, epochs: int | None, steps: int
) -> Diagnosis:
    idle = latents - active
    verb = "carries" if idle == 1 else "carry"
    says = f"{idle} of {latents} latents {verb} almost no information about the data"
    says += " (posterior collapse)." if not active else "."
    if beta > 1:
        return Diagnosis(says, "Weigh the KL as the bound has it", {"beta": "1"}, not active)
    if epochs is not None and steps < FEW_STEPS and epochs < MANY_EPOCHS:
        times = max(2, math.ceil(FEW_STEPS / max(1, steps)))
        longer = {"epochs": min(MANY_EPOCHS, epochs * times)}
        return Diagnosis(says, f"{steps:,} steps are few; train longer", longer, not active)
    if active:
        return Diagnosis(says, "Fewer latents say as much", {"num_latents": active})
    if health.kl is None or epochs is None:
        return Diagnosis(says, "Use fewer latents", {"num_latents": max(1, latents // 2)}, True)
    why = "If the data hold something to be coded, let each latent cost some nats"
    return Diagnosis(says, why, {"free_bits": FLOOR}, True)
