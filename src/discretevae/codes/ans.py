r"""Asymmetric numeral systems: a stack of symbols that is as large as they are improbable.

The one who pops a symbol must know its probabilities to the last bit, but a network computes
other last bits with another number of threads, on another machine, or for a batch of another size.
Logits are therefore rounded to a grid before they become whole numbers; and the grid is shifted by
a sixteenth of its step, as often as it takes, until no logit is nearer than `MARGIN` to where
rounding turns, far more than float64 is wrong by. The shift is a symbol on the stack too, at
next to no bits where it is none.
"""

import numpy as np
from jaxtyping import Float, Int, Integer, UInt32
from torch import Tensor

from discretevae.codes.errors import CodesError

__all__ = ["AnsStack", "safe_shift", "weights"]

GRID = 2.0**-8
"""Step of the grid, in nats: costs below 2e-6 bits a symbol."""
SHIFTS = 16
MARGIN = 2.0**-30
"""Difference in nats between two computations of a logit that is always forgiven."""
LEAST_BITS = 24
"""A symbol takes at most so many bits: no probability is below 2^-24."""
WEIGHTS = np.rint(np.exp(-GRID * np.arange(int(22 / GRID))) * 2.0**30)
"""e^−x on the grid, as whole numbers: what differs in the last bit of e^−x does not differ here."""
NO_SHIFT = np.array([2.0**24] + [1.0] * (SHIFTS - 1))

DIFFERENT = (
    "the decompressed data must have the checksum of the original, got another: float64 differs "
    "by more than is forgiven between that machine and this one."
)


def safe_shift(logits: Float[Tensor, "*n K"]) -> int:
    """Chooses the shift at which no logit is near to where rounding turns.

    Raises:
        CodesError: If a logit is infinite or NaN.

    Example:
        >>> import torch
        >>> safe_shift(torch.zeros(1, 2)), safe_shift(torch.tensor([[0.0, GRID / 2]]))
        (0, 1)
    """
    if not bool(logits.isfinite().all()):
        raise CodesError("`model` must compute finite logits, got infinite or NaN.")
    margins: list[float] = []
    for shift in range(SHIFTS):
        margins.append(_margin(logits, shift))
        if margins[-1] >= MARGIN:
            return shift
    return int(np.argmax(margins))


def weights(logits: Float[Tensor, "*n K"], shift: int = 0) -> Float[np.ndarray, "*n K"]:
    """Gives whole numbers in proportion to the probabilities, the same on every machine.

    Example:
        >>> import torch
        >>> weights(torch.tensor([[0.0, -1.0]])) / 2**30
        array([[1.        , 0.36787944]])
    """
    levels = _on_grid(logits, shift).floor_()
    below = (levels.amax(-1, keepdim=True) - levels).clamp_(max=len(WEIGHTS) - 1)
    return WEIGHTS[below.long().numpy()]


def _on_grid(logits: Tensor, shift: int) -> Tensor:
    return logits.double().div(GRID).add_(shift / SHIFTS + 0.5)


def _margin(logits: Tensor, shift: int) -> float:
    steps = _on_grid(logits, shift)
    return float((steps - steps.round()).abs().min()) * GRID if steps.numel() else 1.0


class AnsStack:
    """A stack on which a symbol of probability p takes log₂ 1/p bits; the last comes off first.

    Popped with probabilities of one's own choice, bits become symbols drawn from them; pushing
    these gives the same bits back.

    Arguments:
        words: What `words` gave.

    Raises:
        CodesError: If the package `constriction` is not installed, or no stack gives these words.

    Reference: Duda, Asymmetric numeral systems, 2009.

    Example:
        >>> import torch
        >>> stack = AnsStack.upon(bytes(range(8)))
        >>> p = weights(torch.zeros(3, 10))
        >>> symbols = stack.pop(p)
        >>> stack.push(symbols, p)
        >>> stack.bottom() == bytes(range(8))
        True
    """

    def __init__(self, words: UInt32[np.ndarray, " words"], sealed: bool = False) -> None:
        try:
            import constriction
        except ImportError:
            raise CodesError('to compress, pip install "discretevae[compress]".') from None
        self._family = constriction.stream.model.Categorical(perfect=False)
        try:
            self._coder = constriction.stream.stack.AnsCoder(words.astype(np.uint32), sealed)
        except ValueError:
            raise CodesError("`words` must be of a stack, which never end in 0.") from None

    @classmethod
    def upon(cls, bottom: bytes) -> "AnsStack":
        """Makes a stack that holds some bits, a multiple of 32, from which symbols can be popped.

        A file's own checksum will do: it must be stored anyway.
        """
        return cls(np.frombuffer(bottom, "<u4"), sealed=True)

    def push(self, symbols: Integer[np.ndarray, " n"], weights: Float[np.ndarray, "n K"]) -> None:
        """Puts symbols on the stack, the last one first: they come off in their order."""
        if len(symbols):
            symbols = np.ascontiguousarray(symbols, np.int32)
            self._coder.encode_reverse(symbols, self._family, _in_rows(weights))

    def pop(self, weights: Float[np.ndarray, "n K"]) -> Int[np.ndarray, " n"]:
        """Takes symbols with these probabilities from the stack."""
        if not len(weights):
            return np.empty(0, np.int32)
        return self._coder.decode(self._family, _in_rows(weights))

    def push_one(self, symbol: int, weights: Float[np.ndarray, " K"]) -> None:
        """Puts one symbol on the stack."""
        self.push(np.array([symbol]), weights[None])

    def pop_one(self, weights: Float[np.ndarray, " K"]) -> int:
        """Takes one symbol from the stack."""
        return int(self.pop(weights[None])[0])

    def try_pop(self, weights: Float[np.ndarray, "n K"]) -> Int[np.ndarray, " n"] | None:
        """Takes symbols from the stack if it holds enough bits for them; else it stays as it is."""
        if self._coder.num_bits() >= LEAST_BITS * len(weights) + 64:
            return self.pop(weights)
        before = self._coder.clone()
        symbols = self.pop(weights)
        if self.is_sound:
            return symbols
        self._coder = before
        return None

    @property
    def is_sound(self) -> bool:
        """Whether nothing was popped that had not been pushed."""
        return self._coder.num_words() >= 2

    def words(self) -> UInt32[np.ndarray, " words"]:
        """Gives all that is on the stack."""
        return self._coder.get_compressed()

    def bottom(self) -> bytes:
        """Gives the bits upon which the stack was built, once all that was pushed is popped.

        Raises:
            CodesError: If more or less was popped.
        """
        try:
            return self._coder.get_compressed(True).astype("<u4").tobytes()
        except Exception:
            raise CodesError(DIFFERENT) from None


def _in_rows(weights: Float[np.ndarray, "n K"]) -> Float[np.ndarray, "n K"]:
    """Lays weights out by rows: constriction reads memory in that order, whatever the strides."""
    return np.ascontiguousarray(weights, np.float64)
