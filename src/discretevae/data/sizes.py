"""What a file may unpack to."""

from .errors import DataError

__all__ = ["LEAST", "RATIO", "require_honest_size"]

LEAST = 2**28
"""Bytes that any file may unpack to."""
RATIO = 100
"""How many times larger than itself a larger file may become; images and tables stay below."""


def require_honest_size(where: object, unpacked: int, packed: int) -> None:
    """Refuses a small file that claims to be a large one, before any memory is taken.

    Arguments:
        where: What to call it.
        unpacked: Bytes that its content takes.
        packed: Bytes that it takes on disk.

    Raises:
        DataError: If it is larger than any honest file of its size.

    Example:
        >>> require_honest_size("x.npz", 2**40, 2**10)
        Traceback (most recent call last):
        discretevae.data.errors.DataError: x.npz must unpack to at most 268,435,456 bytes, or 100 \
times its size, got 1,099,511,627,776 from 1,024; an array larger than that is read as a .npy file.
    """
    most = max(LEAST, RATIO * packed)
    if unpacked > most:
        raise DataError(
            f"{where} must unpack to at most {LEAST:,} bytes, or {RATIO} times its size, got "
            f"{unpacked:,} from {packed:,}; an array larger than that is read as a .npy file."
        )
