"""Random streams that are a pure function of their key."""

import hashlib

import torch

__all__ = ["generator"]


def generator(*key: int | str, device: torch.device | str | None = None) -> torch.Generator:
    """Returns the random stream of a key, independent of all others and of the global seed.

    Neighbouring seeds and epochs would be correlated if they were added; hashing the whole
    key keeps them apart.

    Arguments:
        key: What the stream is for, e.g. ``("batches", seed, epoch)``.
        device: Where the numbers are drawn; streams differ between kinds of device.

    Example:
        >>> first, again = generator("split", 0), generator("split", 0)
        >>> bool((torch.rand(3, generator=first) == torch.rand(3, generator=again)).all())
        True
    """
    key = tuple(part if isinstance(part, str) else int(part) for part in key)  # NumPy's too
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    stream = torch.Generator(device=device or "cpu")
    return stream.manual_seed(int.from_bytes(digest, "little"))
