import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from torch import Tensor

from discretevae.data import BINARIZERS, Augmentation, DataError
from discretevae.data.augmentation import warp

STILL = {"shift": 0.0, "rotation": 0.0, "scale": 0.0, "elastic": 0.0}
ALARM = 1e-6


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=stream())


def warped(
    x: Tensor,
    shift: tuple[float, float] = (0, 0),
    degrees: float = 0,
    factor: float = 1,
    displacement: Tensor | None = None,
) -> Tensor:
    n, _, height, width = x.shape
    none = torch.zeros(n, height, width, 2)
    return warp(
        x,
        torch.tensor(shift, dtype=torch.float32).expand(n, 2),
        torch.full((n,), math.radians(degrees)),
        torch.full((n,), float(factor)),
        none if displacement is None else displacement,
    )


def is_close(y: Tensor, expected: Tensor) -> bool:
    """Positions are rounded to about 1e-6 pixels."""
    return torch.allclose(y, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 7, 10), (2, 1, 1, 5)])
def test_nothing_asked_is_nothing_done(shape: tuple[int, ...]) -> None:
    x = images(*shape)
    assert is_close(warped(x), x)
    assert is_close(Augmentation(**STILL)(x), x)


@pytest.mark.parametrize(("right", "down"), [(2, 0), (0, 1), (-3, 2), (1, -4)])
def test_whole_shifts_are_rolls_with_zeros_behind(right: int, down: int) -> None:
    x = images(2, 2, 6, 9)
    room = torch.nn.functional.pad(x, (4, 4, 4, 4)).roll((down, right), (-2, -1))
    expected = room[..., 4:-4, 4:-4]
    assert is_close(warped(x, (right, down)), expected)
    assert not is_close(warped(x, (-right, -down)), expected)


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_anticlockwise(size: int, turns: int) -> None:
    x = images(2, 1, size, size)
    y = warped(x, degrees=90 * turns)
    assert is_close(y, x.rot90(turns, (-2, -1)))
    assert is_close(y, x.rot90(-turns, (-2, -1))) == (turns == 2)


def test_an_oblong_image_turns_without_being_stretched() -> None:
    x = images(2, 1, 5, 9)
    assert is_close(warped(x, degrees=180), x.flip(-2, -1))
    y = warped(x, degrees=90)
    assert is_close(y[..., 2:7], x[..., 2:7].rot90(1, (-2, -1)))
    assert is_close(y[..., [0, 1, 7, 8]], torch.zeros(2, 1, 5, 4))


def test_doubling_and_halving_step_over_pixels() -> None:
    x = images(2, 1, 9, 9)
    assert is_close(warped(x, factor=2)[..., ::2, ::2], x[..., 2:7, 2:7])
    half = warped(x, factor=0.5)
    assert is_close(half[..., 2:7, 2:7], x[..., ::2, ::2])
    half[..., 2:7, 2:7] = 0
    assert not half.any()


def test_a_displacement_says_where_each_pixel_looks() -> None:
    x = images(2, 3, 6, 8)
    row = torch.randint(6, (2, 6, 8), generator=stream(1))
    column = torch.randint(8, (2, 6, 8), generator=stream(2))
    here = torch.meshgrid(torch.arange(6), torch.arange(8), indexing="ij")
    e = torch.stack([column - here[1], row - here[0]], -1).float()
    expected = torch.stack([x[i][:, row[i], column[i]] for i in range(2)])
    assert is_close(warped(x, displacement=e), expected)


def test_it_turns_and_enlarges_first_and_shifts_last() -> None:
    x = images(2, 1, 9, 9)
    once = warped(x, shift=(2, 1), degrees=90, factor=2)[..., 1:, 2:]  # where no pixel is lost
    last = warped(warped(x, degrees=90, factor=2), shift=(2, 1))[..., 1:, 2:]
    first = warped(warped(x, shift=(2, 1)), degrees=90, factor=2)[..., 1:, 2:]
    assert is_close(once, last)
    assert not is_close(once, first)


def test_between_pixels_it_is_scipy_s_interpolation() -> None:
    x = images(1, 1, 8, 11)
    theta, f, shift = math.radians(20), 1.2, (0.7, -1.3)
    cos, sin = math.cos(theta), math.sin(theta)
    back = np.array([[cos, sin], [-sin, cos]]) / f  # acts on (down, right)
    centre = np.array([3.5, 5.0])
    start = centre - back @ (centre + shift[::-1])
    expected = ndimage.affine_transform(x[0, 0].numpy(), back, start, order=1, mode="grid-constant")
    assert is_close(warped(x, shift, 20, f)[0, 0], torch.from_numpy(expected))


def blob(size: int, right: float = 0.0, width: float = 2.0) -> Tensor:
    at = torch.arange(size) - (size - 1) / 2
    squares = at[:, None].square() + (at - right).square()
    return (-squares / (2 * width**2)).exp()


def centre_of_mass(y: Tensor) -> Tensor:
    """Returns (n, 2), in pixels from the centre, (right, down)."""
    at = torch.arange(y.shape[-1]) - (y.shape[-1] - 1) / 2
    mass = y.sum((-2, -1))
    return torch.stack([(y.sum(-2) * at).sum(-1), (y.sum(-1) * at).sum(-1)], -1) / mass[:, None]


def is_uniform(draws: Tensor, largest: float) -> bool:
    """Kolmogorov and Smirnov, false alarm 1e-6; 2000 draws see 0.12 in the distribution."""
    test = stats.kstest(draws.double().numpy() / largest, stats.uniform(-1, 2).cdf)
    return bool(test.pvalue > ALARM)


def test_shifts_are_uniform_and_keep_the_mass() -> None:
    x = blob(25, width=1.5).expand(2000, 25, 25)
    y = Augmentation(**STILL | {"shift": 3.0})(x, stream())
    torch.testing.assert_close(y.sum((1, 2)), x.sum((1, 2)), rtol=1e-3, atol=0)
    right, down = centre_of_mass(y).T
    assert is_uniform(right, 3)
    assert is_uniform(down, 3)
    assert abs(stats.pearsonr(right, down).statistic) < 5 / 2000**0.5
    assert not is_uniform(right, 4), "shifts of a wrong size must be seen"


def test_angles_are_uniform() -> None:
    y = Augmentation(**STILL | {"rotation": 30.0})(blob(29, 5.0).expand(2000, 29, 29), stream())
    right, down = centre_of_mass(y).T
    angle = torch.atan2(-down, right).rad2deg()
    assert is_uniform(angle, 30)
    assert not is_uniform(angle, 40), "angles of a wrong size must be seen"


def test_sizes_are_uniform() -> None:
    x = blob(29).expand(2000, 29, 29)
    y = Augmentation(**STILL | {"scale": 0.3})(x, stream())
    change = (y.sum((1, 2)) / x.sum((1, 2))).sqrt() - 1
    assert is_uniform(change, 0.3)
    assert not is_uniform(change, 0.4), "sizes of a wrong share must be seen"


def test_the_elastic_field_has_the_stated_size_and_width() -> None:
    """On a ramp the change is the displacement: Gaussian, of correlation exp(−d² / 4σ²)."""
    n, size, elastic, width = 2000, 33, 0.5, 3.0
    ramp = torch.arange(float(size)).expand(size, size) / (size - 1)
    x = torch.stack([ramp, ramp.T]).expand(n, 2, size, size)
    e = (Augmentation(**STILL | {"elastic": elastic}, elastic_width=width)(x, stream()) - x) * 32
    e = e.double()
    for axis in (0, 1):
        for i, j in ((16, 16), (3, 20), (28, 7)):  # near the border too
            draws = e[:, axis, i, j] / elastic
            p = stats.chi2(n).cdf(draws.square().sum().item())
            assert ALARM / 2 < p < 1 - ALARM / 2
            assert not ALARM < stats.chi2(n).cdf((1.2 * draws).square().sum().item()) < 1 - ALARM
        for d in (2, 4):
            for there in (e[:, axis, 16, 16 + d], e[:, axis, 16 + d, 16]):
                r = stats.pearsonr(e[:, axis, 16, 16], there).statistic
                error = 5 / (n - 3) ** 0.5  # of Fisher's z: false alarm 6e-7
                assert abs(math.atanh(r) - math.atanh(math.exp(-(d**2) / 4 / width**2))) < error
                wrong = math.exp(-(d**2) / 2 / width**2)  # of the kernel, not of what it smooths
                assert abs(math.atanh(r) - math.atanh(wrong)) > error
    assert abs(stats.pearsonr(e[:, 0, 16, 16], e[:, 1, 16, 16]).statistic) < 5 / n**0.5


def test_each_example_has_a_draw_of_its_own_that_its_channels_share() -> None:
    x = blob(20).expand(4, 3, 20, 20)
    y = Augmentation()(x, stream())
    assert torch.equal(y[:, 0], y[:, 1])
    assert torch.equal(y[:, 0], y[:, 2])
    assert len(y.unique(dim=0)) == 4


def test_equal_streams_give_equal_images_whatever_their_layout() -> None:
    x = images(5, 1, 12, 10)
    y = Augmentation()(x, stream(3))
    assert torch.equal(Augmentation()(x, stream(3)), y)
    assert not torch.equal(Augmentation()(x, stream(4)), y)
    assert torch.equal(Augmentation()(x[:, 0], stream(3)), y[:, 0])
    for shape in ((12, 10), (1, 12, 10)):
        flat = Augmentation(image_shape=shape)(x.flatten(1), stream(3))
        assert torch.equal(flat, y.flatten(1))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**30),
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    st.floats(0, 20),
    st.floats(0, 360),
    st.floats(0, 0.99),
    st.floats(0.01, 30),
)
def test_values_stay_in_the_unit_interval(
    seed: int, shape: tuple[int, ...], pixels: float, angle: float, scale: float, width: float
) -> None:
    augment = Augmentation(pixels, angle, scale, pixels, width)
    y = augment((images(2, *shape) > 0.2).float(), stream(seed))
    assert y.shape == (2, *shape)
    assert ((y >= 0) & (y <= 1)).all()


def test_binary_images_come_back_grey_and_may_be_drawn_from() -> None:
    x = (blob(20) > 0.5).float().expand(6, 20, 20)
    y = Augmentation()(x, stream())
    assert ((y > 0.1) & (y < 0.9)).any()
    drawn = BINARIZERS["fresh"].draw(y, stream())
    assert set(drawn.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("name", ["shift", "rotation", "scale", "elastic", "elastic_width"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_arguments_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be finite and at least 0, got {value}"):
        Augmentation(**{name: value})


def test_arguments_beyond_their_ends_are_refused() -> None:
    with pytest.raises(ValueError, match="`scale` must be below 1, got 1"):
        Augmentation(scale=1.0)
    with pytest.raises(ValueError, match="`elastic_width` must be positive, got 0"):
        Augmentation(elastic_width=0.0)
    with pytest.raises(ValueError, match=r"`image_shape` must be \(H, W\) or .* got \(784,\)"):
        Augmentation(image_shape=(784,))


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"`x` must have the shape \(n, C, H, W\) .* got \(2, 784\)"
    ):
        Augmentation()(torch.zeros(2, 784))
    with pytest.raises(DataError, match=r"shape \(n, \*\(28, 28\)\), got \(2, 783\)"):
        Augmentation(image_shape=(28, 28))(torch.zeros(2, 783))
    for value in (-0.1, 1.1, math.nan):
        with pytest.raises(DataError, match=f"float32 in .0, 1., got float32 from .* to {value:g}"):
            Augmentation()(torch.full((2, 4, 4), value))
    with pytest.raises(DataError, match=r"float32 in .0, 1., got uint8 from 0 to 0"):
        Augmentation()(torch.zeros(2, 4, 4, dtype=torch.uint8))
