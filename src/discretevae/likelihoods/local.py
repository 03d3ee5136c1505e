"""Pixels in turn, each given the code and those near it that came before."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Size, Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import conv2d, pad, silu, unfold

from discretevae.latents.quantisers.quantiser import widened
from discretevae.likelihoods.bernoulli import BernoulliLikelihood
from discretevae.likelihoods.likelihood import Likelihood, LogProb, Part
from discretevae.likelihoods.logistic_mixture import LogisticMixtureLikelihood
from discretevae.names import require_count

__all__ = ["LocalBernoulliLikelihood", "LocalLikelihood", "LocalMixtureLikelihood", "LocalPixels"]

IMAGE = 3
"""Axes of an observation: (C, H, W)."""
SOME, RIDGE = 200, 1e-5
"""Examples by which a pixel is predicted at first; what is added to mean squares for it."""
NOISE = 3e-4
"""Variance below which what a window says is not made larger: pixels between −1 and 1."""
UNIT, UNIT_OF_LOCATIONS = 0.1, 0.02
"""Of what the decoder says of a mixture; 0.02 of what lies between −1 and 1 are 2.5 bytes."""
NUMBERS = 2**22
"""Numbers that are said of pairs of a code and an example that are looked at together."""


class LocalPixels(Distribution):
    r"""Images whose pixels follow each other, row by row: :math:`\prod_i p(x_i | h, x_{N(i)})`.

    Arguments:
        likelihood: What says so.
        h: What the decoder says.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, likelihood: "LocalLikelihood", h: Float[Tensor, "*B F H W"]) -> None:
        self.likelihood, self.h = likelihood, h
        event = Size((likelihood.channels, *h.shape[-2:]))
        super().__init__(Size(h.shape[:-IMAGE]), event, validate_args=False)

    def log_prob(self, value: Float[Tensor, "*B C H W"]) -> Float[Tensor, "*SB"]:
        found: Tensor = self.likelihood.given(self.h, value).log_prob(value)
        return found

    @property
    def mean(self) -> Float[Tensor, "*B C H W"]:
        """The mean of each pixel, given those before at the levels nearest to theirs.

        No pixel's own mean, which has no closed form: the image that a decoder shows for a code.
        It has no gradient.
        """
        most = self.likelihood.symbols - 1
        return self._written(self.h, lambda p: p.mean, lambda x: (x * most).round() / most)

    def sample(
        self, sample_shape: Size | list[int] | tuple[int, ...] = ()
    ) -> Float[Tensor, "*SB C H W"]:
        """Draws pixel after pixel."""
        h = self.h.expand(*sample_shape, *self.h.shape)
        return self._written(h, lambda p: p.sample(), lambda x: x)

    @torch.no_grad()
    def _written(
        self,
        h: Float[Tensor, "*SB F H W"],
        choose: Callable[[Distribution], Tensor],
        seen: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "*SB C H W"]:
        """Chooses each pixel given what was `seen` of those before."""
        x = h.new_zeros(*h.shape[:-IMAGE], *self.event_shape)
        found = torch.zeros_like(x)
        for part in self.likelihood.pixels(self.event_shape):
            _, rows, columns = part
            pixel = choose(self.likelihood.given_at(h, x, part))
            found[..., rows, columns], x[..., rows, columns] = pixel, seen(pixel)
        return found


class LocalLikelihood(Likelihood, ABC):
    r"""Observes pixels row by row, each given the code and those in a window before it.

    .. math:: p(x | h) = \prod_i p\big(x_i \,\big|\, b_i + v z_i + f(g_i + w z_i)\big),
        \quad z_i = C^{-1/2} (x_{N(i)} - m)

    What the decoder says of a pixel is b, which another likelihood would see, and g, by which the
    code speaks to f, residual layers of each pixel for itself. x_N(i) are the pixels above and to
    the left in a window; m and C are their mean and covariance in some training examples, so that
    z is white: of neighbours as alike as those of photographs, what they differ by would else be
    learned last. v and the last layer of f are 0 at first: training begins without neighbours, or
    with v as least squares have it, where there are levels. What they tell a code need not: it may
    then be left unused where it costs something (β, free bits), and the KL should be looked at.

    Arguments:
        base: The likelihood of a pixel.
        channels: C of the images (C, H, W).
        width: Numbers of g, and of the layers of f.
        window: Side of the window, an odd number: half of it is above and to the left.
        layers: Residual layers of f.

    Raises:
        ValueError: If a number is below 1, or `window` is even.

    Reference: van den Oord et al., Conditional image generation with PixelCNN decoders, 2016,
    §2.1, here with one convolution and no gates; Chen et al., Variational lossy autoencoder, 2017,
    §3.
    """

    apart: ClassVar[str] = "pixels"
    autoregressive: ClassVar[bool] = True
    mask: Tensor
    whitening: Tensor
    centre: Tensor
    units: Tensor
    """Those of what is said of a pixel: a new decoder must not drown what its window says."""

    def __init__(
        self, base: Likelihood, channels: int, width: int, window: int, layers: int
    ) -> None:
        super().__init__(IMAGE)
        for name, count in (("channels", channels), ("width", width), ("layers", layers)):
            require_count(name, count)
        if window < 3 or not window % 2:
            raise ValueError(f"`window` must be an odd number from 3 on, got {window}.")
        self.base, self.channels, self.width, self.window = base, channels, width, window
        self.lossless = base.lossless
        self.reach = window // 2
        (self.numbers, *_) = base.output_shape((channels, 1, 1))
        self.near = nn.Conv2d(channels, self.numbers + width, (self.reach + 1, window))
        self.layers = nn.ModuleList([Layer(width) for _ in range(layers)])
        self.last = nn.Conv2d(width, self.numbers, 1)
        self._forget()
        mask = torch.ones(self.reach + 1, window)
        mask[-1, self.reach :] = 0
        seen = mask.expand(channels, *mask.shape).flatten()
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("whitening", torch.diag(seen))
        self.register_buffer("centre", torch.zeros_like(seen))
        self.register_buffer("units", torch.ones(self.numbers, 1, 1), persistent=False)

    def of_shape(self, shape: tuple[int, ...]) -> "LocalLikelihood":
        if len(shape) != IMAGE:
            raise ValueError(
                f"`likelihood` {self.name} must be of images (C, H, W), got the shape {shape}."
            )
        if shape[0] == self.channels:
            return self
        options = {k: v for k, v in self.config().items() if k != "kind"}
        return type(self)(**{**options, "channels": shape[0]})

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Describes the likelihood in plain types."""

    def forward(self, h: Float[Tensor, "*B F H W"]) -> LocalPixels:
        return LocalPixels(self, h)

    def given(self, h: Float[Tensor, "*SB F H W"], x: Float[Tensor, "*B C H W"]) -> Distribution:
        """Gives p of every pixel given those of x before it."""
        with torch.autocast(h.device.type, enabled=False):
            return self._given(widened(h), self._near(self._framed(x)))

    def given_at(
        self, h: Float[Tensor, "*SB F H W"], x: Float[Tensor, "*B C H W"], part: Part
    ) -> Distribution:
        """Gives p of one pixel given those of x before it: over (C, 1, 1)."""
        _, rows, columns = part
        i, j = rows.start, columns.start
        seen = self._framed(x)[..., i : i + self.reach + 1, j : j + self.window]
        with torch.autocast(h.device.type, enabled=False):
            return self._given(widened(h[..., rows, columns]), self._near(seen))

    def pixels(self, shape: Sequence[int]) -> Iterator[Part]:
        """Gives the places of the pixels in turn."""
        _, height, width = shape
        for i in range(height):
            for j in range(width):
                yield slice(None), slice(i, i + 1), slice(j, j + 1)

    def turns(self, shape: tuple[int, ...]) -> list[Part]:
        of_pixel = self.base.turns((shape[0], 1, 1))
        return [(part[0], *place[1:]) for place in self.pixels(shape) for part in of_pixel]

    def symbol_logits(
        self,
        p: Distribution,
        before: Float[Tensor, "*B_and_event"] | None = None,
        part: Part | None = None,
    ) -> Float[Tensor, "*B_and_part V"]:
        assert isinstance(p, LocalPixels)
        assert before is not None
        assert part is not None
        channels, rows, columns = part
        pixel = self.given_at(p.h, before, part)
        return self.base.symbol_logits(
            pixel, before[..., rows, columns], (channels, slice(None), slice(None))
        )

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.numbers + self.width, *shape[1:])

    def evaluated(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.numbers + 3 * self.width * len(self.layers), *shape[1:])

    @property
    def symbols(self) -> int:
        return self.base.symbols

    @property
    def untouched(self) -> bool:
        return self.base.untouched

    @torch.no_grad()
    def start(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "F H W"] | None:
        """Takes m and C, the h of pixels that tell each other nothing, and forgets what they do."""
        self._forget()
        self._whiten(_some(x))
        return self._apart(x)

    def without_code(self, seen: Float[Tensor, "N C H W"]) -> LogProb | None:
        return self.base.without_code(seen)

    def log_prob_pairs(
        self, h: Float[Tensor, "S F H W"], x: Float[Tensor, "*B C H W"]
    ) -> Float[Tensor, "S *B"]:
        batch = x.shape[:-IMAGE]
        x = x.reshape(-1, *x.shape[-IMAGE:])
        at_once = max(1, NUMBERS // max(1, len(x) * h[0].numel()))
        pairs = [self(part.unsqueeze(1)).log_prob(x) for part in h.split(at_once)]
        return torch.cat(pairs).reshape(len(h), *batch)

    def check(self, x: Tensor) -> None:
        self.base.check(x)

    def _config(self) -> dict[str, Any]:
        return {
            "kind": self.name,
            "channels": self.channels,
            "width": self.width,
            "window": self.window,
            "layers": len(self.layers),
        }

    def _framed(self, x: Float[Tensor, "*B C H W"]) -> Float[Tensor, "*B C framedH framedW"]:
        """Sets x between −1 and 1, in a frame of 0."""
        return pad(2 * x - 1, (self.reach, self.reach, self.reach, 0))

    def _near(self, x: Float[Tensor, "*B C framedH framedW"]) -> Float[Tensor, "*B F H W"]:
        """What the window says of each pixel; it does not see the pixel itself."""
        weight = self.near.weight.flatten(1) @ self.whitening
        assert self.near.bias is not None
        bias = self.near.bias - weight @ self.centre
        weight = weight.view_as(self.near.weight)
        found = conv2d(x.reshape(-1, *x.shape[-IMAGE:]).to(weight), weight, bias)
        return found.reshape(*x.shape[:-IMAGE], *found.shape[1:])

    def _given(
        self, h: Float[Tensor, "*SB F H W"], near: Float[Tensor, "*B F H W"]
    ) -> Distribution:
        said, g = h.split([self.numbers, self.width], -IMAGE)
        direct, f = near.split([self.numbers, self.width], -IMAGE)
        said, f = said + direct, f + g
        batch, f = f.shape[:-IMAGE], f.reshape(-1, *f.shape[-IMAGE:])
        for layer in self.layers:
            f = layer(f)
        said = said + self.last(f).reshape(*batch, *said.shape[-IMAGE:])
        found: Distribution = self.base(self.units * said)
        return found

    def _apart(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "F H W"] | None:
        """The h of pixels that tell each other nothing."""
        h = self.base.start(x)
        if h is None:
            return None
        return torch.cat([h / self.units, h.new_zeros(self.width, *h.shape[1:])])

    @torch.no_grad()
    def _forget(self) -> None:
        for weight in self.last.parameters():
            weight.zero_()
        for weight in self.near.parameters():
            weight[: self.numbers] = 0

    @property
    def _seen(self) -> Bool[Tensor, " n"]:
        """Of all numbers of a window, those before its pixel."""
        return self.mask.expand(self.channels, *self.mask.shape).flatten() > 0

    @torch.no_grad()
    def _whiten(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "pixels seen"]:
        """Takes m and C of the windows of x, and gives z of each."""
        seen = self._seen
        windows = unfold(self._framed(x), self.mask.shape).mT.flatten(0, 1).double()[:, seen]
        centre = windows.mean(0)
        values, vectors = torch.linalg.eigh(
            (windows - centre).mT @ (windows - centre) / len(windows)
        )
        whitening = vectors * (values.clamp(min=0) + NOISE).rsqrt() @ vectors.mT
        self.centre[seen] = centre.to(self.centre)
        self.whitening[torch.outer(seen, seen)] = whitening.flatten().to(self.whitening)
        return (windows - centre) @ whitening


class Layer(nn.Module):
    """s + W silu(V s), of each pixel for itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)

    def forward(self, s: Float[Tensor, "n width H W"]) -> Float[Tensor, "n width H W"]:
        found: Tensor = s + self.outer(silu(self.inner(s)))
        return found


class LocalBernoulliLikelihood(LocalLikelihood):
    r"""Observes bits of images row by row, each given the code and those in a window before it.

    .. math:: p(x | h) = \prod_i \mathrm{Bernoulli}\big(x_i; \mathrm{logits}\;
        b_i + v z_i + f(g_i + w z_i)\big), \quad z_i = C^{-1/2} (x_{N(i)} - m)

    Arguments:
        channels: C of the images (C, H, W).
        width: Numbers of g, and of the layers of f.
        window: Side of the window.
        layers: Residual layers of f.

    Raises:
        ValueError: If a number is below 1, or `window` is even.

    Example:
        >>> p = LocalBernoulliLikelihood(channels=1, width=8, window=3)
        >>> p.output_shape((1, 28, 28))
        (9, 28, 28)
        >>> p(torch.zeros(5, 9, 28, 28)).log_prob(torch.ones(5, 1, 28, 28)).shape
        torch.Size([5])
    """

    name: ClassVar[str] = "local-bernoulli"

    def __init__(
        self, channels: int = 1, width: int = 32, window: int = 7, layers: int = 2
    ) -> None:
        super().__init__(BernoulliLikelihood(IMAGE), channels, width, window, layers)

    def config(self) -> dict[str, Any]:
        return self._config()


class LocalMixtureLikelihood(LocalLikelihood):
    r"""Observes levels of images row by row, each pixel given the code and those in a window.

    .. math:: p(x | h) = \prod_i \sum_m \pi_{im} \prod_c p_{icm}(x_{ic} | x_{i,<c}),

    a :class:`LogisticMixtureLikelihood` of each pixel, whose numbers are
    :math:`b_i + v z_i + f(g_i + w z_i)`, of the white z of its window.

    Arguments:
        channels: C of the images (C, H, W).
        components: M of the mixture.
        levels: V, 256 for bytes.
        width: Numbers of g, and of the layers of f.
        window: Side of the window.
        layers: Residual layers of f.

    Raises:
        ValueError: If a number is below 1, `levels` below 2, or `window` is even.

    Reference: Salimans, Karpathy, Chen & Kingma, PixelCNN++, 2017, eq. 2-3, for the mixture.

    Example:
        >>> p = LocalMixtureLikelihood(channels=3, components=2, width=8)
        >>> p.output_shape((3, 32, 32))
        (28, 32, 32)
    """

    name: ClassVar[str] = "local-mixture"

    def __init__(
        self,
        channels: int = 3,
        components: int = 4,
        levels: int = 256,
        width: int = 64,
        window: int = 7,
        layers: int = 2,
    ) -> None:
        base = LogisticMixtureLikelihood(IMAGE, components, levels)
        super().__init__(base, channels, width, window, layers)
        self.components, self.levels = components, levels
        self.units.fill_(UNIT)
        self.units[components : (1 + channels) * components] = UNIT_OF_LOCATIONS

    def config(self) -> dict[str, Any]:
        return {**self._config(), "components": self.components, "levels": self.levels}

    @torch.no_grad()
    def start(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "F H W"]:
        """Takes v that predicts a pixel by least squares, and of what is left the best mixture."""
        self._forget()
        some = _some(x)
        z = self._whiten(some)
        u = (2 * some - 1).flatten(2).mT.flatten(0, 1).double()
        bias = u.mean(0)
        ridge = RIDGE * len(z) * torch.eye(z.shape[1]).to(z)
        weight = torch.linalg.solve(z.mT @ z + ridge, z.mT @ (u - bias)).mT
        left = (u - bias - z @ weight.mT).unflatten(0, (len(some), -1)).mT.to(x).view_as(some)
        h = self._apart((left + 1) / 2)
        assert h is not None
        numbers = (self.units * h[: self.numbers]).mean((1, 2))
        numbers = numbers.unflatten(0, (-1, self.components))
        alpha = numbers[1 + 2 * self.channels :, 0].tanh()
        seen, offset = self._seen, self.near.bias
        assert offset is not None
        for c in range(self.channels):
            pairs = range(c * (c - 1) // 2, c * (c + 1) // 2)
            before = [(alpha[pair], i) for i, pair in enumerate(pairs)]  # which sees them already
            rows = slice((1 + c) * self.components, (2 + c) * self.components)
            units = self.units[rows, 0]
            of_window = weight[c] - sum(a * weight[i] for a, i in before)
            self.near.weight[rows].flatten(1)[:, seen] = of_window.to(x) / units
            offset[rows] = (bias[c] - sum(a * bias[i] for a, i in before)).to(x) / units[:, 0]
        return h


def _some(x: Float[Tensor, "N C H W"]) -> Float[Tensor, "n C H W"]:
    """Examples by which a likelihood starts, evenly of all."""
    return x[:: -(-len(x) // SOME)]
