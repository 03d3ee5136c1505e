"""Lossless compression of bits and levels by bits-back coding."""

import hashlib
from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8, UInt32
from torch import Tensor
from torch.distributions import Distribution

from discretevae.codes.ans import DIFFERENT, NO_SHIFT, AnsStack, safe_shift, weights
from discretevae.codes.batches import require_codes_say_all
from discretevae.codes.errors import CodesError
from discretevae.codes.prior_coder import PriorCoder
from discretevae.likelihoods import Part
from discretevae.models import VAE

__all__ = ["BitsBack"]

SYMBOLS = 256
"""What a byte can be."""


class BitsBack:
    r"""Compresses bits or levels to −ELBO bits, on average, and gives them back to the bit.

    For each example: pop z with the probabilities q(z|x), push x with p(x|z), push z with p(z).
    The stack grows by

    .. math:: -\log_2 p(x|z) - \log_2 p(z) + \log_2 q(z|x), \qquad z \sim q,

    whose mean is −ELBO / ln 2. Latents are discrete, so nothing is quantised. Whoever undoes the
    steps, the last first, knows x when the bits that chose z are to be put back.

    Examples go side by side, as many as the bits on the stack can choose codes for. At its bottom
    are those of the checksum, which must be stored anyway. Where they do not suffice for a single
    code, the most probable one is taken, and its bits are paid. Where dimensions see those before
    them, they are pushed the last first.

    Arguments:
        model: With a likelihood of bits or of at most 256 levels, a prior that can be coded latent
            by latent, and without a condition.
        lanes: The most examples side by side.

    Raises:
        CodesError: If the model is another, or the package `constriction` is not installed.

    Reference: Townsend, Bird & Barber, Practical lossless compression with latent variables using
    bits back coding, 2019.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> model = DiscreteVAE((4,), 2, 3)
        >>> x = np.eye(4, dtype=np.uint8)
        >>> bits_back = BitsBack(model, lanes=2)
        >>> bool((bits_back.decompress(bits_back.compress(x), 4) == x).all())
        True
    """

    def __init__(self, model: VAE, lanes: int) -> None:
        require_codes_say_all(model)
        if not model.likelihood.lossless:
            raise CodesError(
                "`model` must have a likelihood of bits or levels to compress without loss, "
                f"got {model.likelihood.label}: its codes alone can be kept (--lossy)."
            )
        if model.likelihood.symbols > SYMBOLS:
            raise CodesError(
                f"`model` must have at most {SYMBOLS} levels to compress without loss, "
                f"got {model.likelihood.symbols}."
            )
        drawn = [variable.name for variable in model.variables if not variable.point]
        if len(drawn) > 1:
            raise CodesError(
                "`model` must infer all latents at once to compress without loss, "
                f"got a {model.kind} that infers {', '.join(drawn)} one after the other."
            )
        if lanes < 1:
            raise CodesError(f"`lanes` must be at least 1, got {lanes}.")
        self.model = deepcopy(model).cpu().double().eval()  # so that rounding forgives the rest
        self.lanes = lanes
        self.prior = PriorCoder(model.prior)
        self.draws = not all(variable.point for variable in model.variables)
        self.parts = model.likelihood.turns(model.shape)
        # 0: one example whose code is not popped; n: so many examples side by side.
        self.sizes = np.array([1.0] * lanes + [8.0 * lanes])

    @torch.no_grad()
    def compress(self, x: UInt8[np.ndarray, "n *shape"]) -> UInt32[np.ndarray, " words"]:
        """Gives what is left on the stack once examples of symbols 0, …, V − 1 are on it."""
        stack = AnsStack.upon(_checksum(x))
        start = 0
        while start < len(x):
            start += self._push(stack, x[start : start + self.lanes])
        return stack.words()

    @torch.no_grad()
    def decompress(
        self, words: UInt32[np.ndarray, " words"], count: int
    ) -> UInt8[np.ndarray, "count *shape"]:
        """Undoes `compress` for so many examples.

        Raises:
            CodesError: If it is not of this model, is damaged, or float64 differs here by more
                than is forgiven.
        """
        stack = AnsStack(words)
        x = np.empty((count, *self.model.shape), np.uint8)
        stop = count
        while stop:
            part = self._pop(stack, stop)
            x[stop - len(part) : stop] = part
            stop -= len(part)
            if not stack.is_sound:  # what is popped from nothing is noise, however much is asked
                raise CodesError(DIFFERENT)
        if stack.bottom() != _checksum(x):
            raise CodesError(DIFFERENT)
        return x

    def _push(self, stack: AnsStack, x: UInt8[np.ndarray, "n *shape"]) -> int:
        """Puts as many of these examples on the stack as it holds bits for; tells how many."""
        codes, shift, size = self._choose_codes(stack, x)
        x = x[: len(codes)]
        if size and self.draws:
            stack.push_one(shift, NO_SHIFT)
        p = self.model.decode(torch.from_numpy(codes))
        for part in reversed(self.parts):
            logits = self._symbol_logits(p, x, part)
            shift = safe_shift(logits)
            stack.push(x[(slice(None), *part)].ravel(), weights(logits, shift))
            stack.push_one(shift, NO_SHIFT)
        self.prior.push(stack, codes)
        stack.push_one(size, self.sizes)
        return len(codes)

    def _choose_codes(
        self, stack: AnsStack, x: UInt8[np.ndarray, "n *shape"]
    ) -> tuple[Int[np.ndarray, "m D"], int, int]:
        """Draws codes by the bits on the stack: of half the examples until there are enough."""
        size = len(x)
        if not self.draws:
            return self.model.encode(self._values(x)).numpy(), 0, size
        while size:
            logits = self._code_logits(x[:size])
            shift = safe_shift(logits)
            symbols = stack.try_pop(weights(logits, shift))
            if symbols is not None:
                return self._codes(symbols), shift, size
            size //= 2
        symbols = self._code_logits(x[:1]).argmax(-1).numpy()
        return self._codes(symbols), 0, 0

    def _pop(self, stack: AnsStack, most: int) -> UInt8[np.ndarray, "n *shape"]:
        """Undoes `_push`."""
        size = stack.pop_one(self.sizes)
        if max(size, 1) > most:
            raise CodesError(DIFFERENT)
        codes = self.prior.pop(stack, max(size, 1))
        p = self.model.decode(torch.from_numpy(codes))
        x = np.zeros((len(codes), *self.model.shape), np.uint8)
        for part in self.parts:
            logits = self._symbol_logits(p, x, part)
            symbols = stack.pop(weights(logits, stack.pop_one(NO_SHIFT)))
            x[(slice(None), *part)] = symbols.reshape(x[(slice(None), *part)].shape)
        if size and self.draws:
            shift = stack.pop_one(NO_SHIFT)
            stack.push(codes.ravel(), weights(self._code_logits(x), shift))
        return x

    def _codes(self, symbols: Int[np.ndarray, " nD"]) -> Int[np.ndarray, "n D"]:
        return symbols.reshape(-1, self.prior.num_latents).astype(np.int64)

    def _code_logits(self, x: UInt8[np.ndarray, "n *shape"]) -> Float[Tensor, "nD K"]:
        """The unnormalised log q(z|x), one latent of one example a row."""
        return self.model.posterior(self._values(x)).flatten(0, 1)

    def _values(self, x: UInt8[np.ndarray, "n *part"]) -> Float[Tensor, "n *part"]:
        """What a model sees of symbols 0, …, V − 1."""
        return torch.from_numpy(x).double() / (self.model.likelihood.symbols - 1)

    def _symbol_logits(
        self, p: Distribution, x: UInt8[np.ndarray, "n *shape"], part: Part
    ) -> Float[Tensor, "nP V"]:
        """The unnormalised log p of each symbol of a part, one dimension of one example a row."""
        found = self.model.likelihood.symbol_logits(p, self._values(x), part)
        return found.flatten(0, -2)


def _checksum(x: UInt8[np.ndarray, "n *shape"]) -> bytes:
    return hashlib.sha256(x.tobytes()).digest()
