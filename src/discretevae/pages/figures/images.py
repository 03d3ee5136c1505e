"""Events of any shape as images that can be drawn."""

import math

import numpy as np
from jaxtyping import Float, Real

__all__ = ["as_image"]


def as_image(
    x: Real[np.ndarray, "..."], shape: tuple[int, ...], vmin: float = 0.0, vmax: float = 1.0
) -> Float[np.ndarray, "..."]:
    """Turns one event into an image with values in [0, 1], where 0 is `vmin` and 1 is `vmax`.

    Values outside the range are clipped; NaN stays NaN.

    Arguments:
        x: One event, of shape `shape` or flattened.
        shape: (H, W) and (1, H, W) give (H, W); (3, H, W) gives (H, W, 3), red, green and blue;
            any other number C of channels gives them side by side, (H, C·W); a vector (F,)
            gives a strip (1, F).

    Raises:
        ValueError: If `shape` has more than three axes or none, if `x` does not fit it, or if
            `vmax` does not exceed `vmin`.

    Example:
        >>> as_image(np.zeros(12), (3, 2, 2)).shape
        (2, 2, 3)
        >>> as_image(np.array([-1.0, 0.0, 1.0]), (3,), vmin=-1.0)
        array([[0. , 0.5, 1. ]])
    """
    if not vmax > vmin:
        raise ValueError(f"`vmax` must exceed `vmin` = {vmin}, got {vmax}.")
    if not 1 <= len(shape) <= 3:
        raise ValueError(f"`shape` must be (F,), (H, W) or (C, H, W), got {tuple(shape)}.")
    if x.size != math.prod(shape):
        raise ValueError(f"`x` must have the shape {tuple(shape)}, got {x.shape}.")
    unit = np.clip((np.asarray(x, float) - vmin) / (vmax - vmin), 0, 1)
    if len(shape) == 1:
        return unit.reshape(1, -1)
    channels = unit.reshape(-1, *shape[-2:])
    if len(channels) == 3:
        return channels.transpose(1, 2, 0)
    return np.concatenate(list(channels), axis=1)
