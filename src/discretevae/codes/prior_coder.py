"""Codes on the stack, under the prior."""

import hashlib
from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float, Int, UInt32
from torch import Tensor

from discretevae.codes.ans import DIFFERENT, NO_SHIFT, AnsStack, safe_shift, weights
from discretevae.codes.errors import CodesError
from discretevae.latents import to_one_hot
from discretevae.priors import Prior

__all__ = ["PriorCoder"]

WEIGHTS = 2**19
"""Probabilities of codes that go side by side."""


class PriorCoder:
    r"""Puts codes on a stack at :math:`-\log_2 p(z)` bits each, latent by latent.

    .. math:: -\log_2 p(z) = -\sum_d \log_2 p(z_d | z_{<d})

    Arguments:
        prior: Factorised or autoregressive.

    Raises:
        CodesError: If the latents cannot be coded one given those before it.

    Example:
        >>> from discretevae.priors import UniformPrior
        >>> coder, stack = PriorCoder(UniformPrior(2, 8)), AnsStack.upon(bytes(8))
        >>> coder.push(stack, np.array([[3, 5], [7, 0]]))
        >>> coder.pop(stack, 2)
        array([[3, 5],
               [7, 0]])
    """

    def __init__(self, prior: Prior) -> None:
        self.num_latents, self.num_categories = prior.shape
        self.lanes = max(1, WEIGHTS // (self.num_latents * self.num_categories))
        self.prior = deepcopy(prior).cpu().double()
        try:
            self.prior.logits_along(torch.zeros(1, *prior.shape, dtype=torch.float64))
        except ValueError as error:
            raise CodesError(str(error)) from None

    @torch.no_grad()
    def push(self, stack: AnsStack, codes: Int[np.ndarray, "n D"]) -> None:
        """Puts codes on the stack."""
        z = to_one_hot(torch.from_numpy(codes), self.num_categories, torch.float64)
        logits = self.prior.logits_along(z).transpose(0, 1)  # latent by latent, as `pop` needs them
        shift = safe_shift(logits)
        stack.push(codes.T.flatten(), weights(logits.flatten(0, 1), shift))
        stack.push_one(shift, NO_SHIFT)

    def pop(self, stack: AnsStack, count: int) -> Int[np.ndarray, "count D"]:
        """Takes codes from the stack."""
        shift = stack.pop_one(NO_SHIFT)

        def taken(logits: Float[Tensor, "count K"]) -> Int[Tensor, " count"]:
            return torch.from_numpy(stack.pop(weights(logits, shift)).astype(np.int64))

        return self.prior.one_by_one(count, taken).numpy()

    def compress(self, codes: Int[np.ndarray, "n D"]) -> UInt32[np.ndarray, " words"]:
        """Gives the stack of these codes."""
        stack = AnsStack.upon(_checksum(codes))
        for start in range(0, len(codes), self.lanes):
            self.push(stack, codes[start : start + self.lanes])
        return stack.words()

    def decompress(
        self, words: UInt32[np.ndarray, " words"], count: int
    ) -> Int[np.ndarray, "count D"]:
        """Undoes `compress` for so many codes.

        Raises:
            CodesError: If it is of another prior, is damaged, or float64 differs here by more
                than is forgiven.
        """
        stack = AnsStack(words)
        codes = np.empty((count, self.num_latents), np.int64)
        for start in reversed(range(0, count, self.lanes)):
            part = codes[start : start + self.lanes]
            part[:] = self.pop(stack, len(part))
            if not stack.is_sound:  # what is popped from nothing is noise, however much is asked
                raise CodesError(DIFFERENT)
        if stack.bottom() != _checksum(codes):
            raise CodesError(DIFFERENT)
        return codes


def _checksum(codes: Int[np.ndarray, "n D"]) -> bytes:
    return hashlib.sha256(codes.astype("<i8").tobytes()).digest()[:8]
