"""Points that are labelled with their names: placed without overlaps, on stretched axes."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from discretevae.pages.figures.style import INK, MUTED, PALETTE
from discretevae.texts import for_figure

__all__ = [
    "checked_columns",
    "draw_points",
    "dress_points",
    "label_points",
    "listed",
    "stretch_axis",
    "zero_if_rounding",
]

_GAP, _LEADER = 4.0, 9.0  # points: from a marker to its label; beyond the second, with a leader
_GAPS = np.array([_GAP, 8, 13, 19, 27, 37, 50, 66, 86, 112, 150, 210])
_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_TRIED, _ORDERS = 160, 20
_FONT_SIZE = 8.5


def checked_columns(
    names: Sequence[str], columns: Mapping[str, Sequence[float] | np.ndarray]
) -> list[np.ndarray]:
    """Turns columns into arrays, one number for each name.

    Raises:
        ValueError: If there is no name, or a column has another length than `names`.

    Example:
        >>> checked_columns(["a", "b"], {"variance": [1, 2]})
        [array([1., 2.])]
    """
    if len(names) == 0:
        raise ValueError("`names` must hold at least one estimator, got none.")
    arrays = {argument: np.asarray(column, float) for argument, column in columns.items()}
    for argument, array in arrays.items():
        if array.shape != (len(names),):
            raise ValueError(
                f"`{argument}` must have one value for each of the {len(names)} names, "
                f"got the shape {array.shape}."
            )
        if (array < 0).any() and not argument.endswith("_low"):
            raise ValueError(f"`{argument}` must be non-negative, got {np.nanmin(array)}.")
    return list(arrays.values())


def listed(what: str, names: Sequence[str], chosen: Bool[np.ndarray, " N"]) -> str:
    """Writes the chosen names behind `what`; nothing where none is chosen.

    Example:
        >>> listed("without a value", ["a", "b", "c"], np.array([True, False, True]))
        'without a value: a, c'
    """
    kept = ", ".join(name for name, one in zip(names, chosen, strict=True) if one)
    return f"{what}: {kept}" if kept else ""


def zero_if_rounding(values: Float[np.ndarray, " N"], share: float) -> Float[np.ndarray, " N"]:
    """Sets to zero what is less than `share` of the median: rounding errors of what is exact.

    Example:
        >>> zero_if_rounding(np.array([1e-30, 1.0, 2.0]), share=1e-12)
        array([0., 1., 2.])
    """
    positive = values[np.isfinite(values) & (values > 0)]
    return np.where(values < share * np.median(positive), 0, values) if len(positive) else values


def stretch_axis(ax: Axes, which: str, values: Float[np.ndarray, " N"]) -> None:
    """Makes the axis `which`, "x" or "y", logarithmic; zeros lie on its edge, under a tick of 0.

    Example:
        >>> from discretevae.pages.figures import new_axes
        >>> ax = new_axes()
        >>> stretch_axis(ax, "x", np.array([0.0, 0.1, 10.0]))
        >>> ax.get_xscale(), ax.get_xlim()[0]
        ('symlog', np.float64(0.0))
    """
    positive = values[values > 0]
    if len(positive) == 0:
        ax.set(**{f"{which}lim": (0, 1), f"{which}ticks": [0]})
        return
    low, high = positive.min(), positive.max()
    room = max((high / low) ** 0.06, 1.25)
    if len(positive) == len(values):
        ax.set(**{f"{which}scale": "log", f"{which}lim": (low / room, high * room)})
        return
    set_scale = ax.set_xscale if which == "x" else ax.set_yscale
    set_scale("symlog", linthresh=low / room, linscale=0.4, subs=range(2, 10))
    ax.set(**{f"{which}lim": (0, high * room)})
    decades = 10.0 ** np.arange(np.ceil(np.log10(low / room)), np.log10(high * room))
    ax.set(**{f"{which}ticks": [0, *decades[:: 1 + len(decades) // 9]]})


def draw_points(
    ax: Axes,
    x: Float[np.ndarray, " N"],
    y: Float[np.ndarray, " N"],
    unbiased: Bool[np.ndarray, " N"],
) -> None:
    """Draws the unbiased as blue circles and the biased as vermillion diamonds.

    Example:
        >>> from discretevae.pages.figures import new_axes
        >>> ax = new_axes()
        >>> draw_points(ax, np.array([1.0]), np.array([2.0]), np.array([True]))
        >>> [line.get_label() for line in ax.lines]
        ['unbiased']
    """
    for label, chosen, colour, marker, size in (
        ("unbiased", unbiased, PALETTE["blue"], "o", 6.0),
        ("biased", ~unbiased, PALETTE["vermillion"], "D", 5.2),
    ):
        if chosen.any():
            ax.plot(
                x[chosen],
                y[chosen],
                linestyle="none",
                marker=marker,
                markersize=size,
                markeredgecolor="white",
                markeredgewidth=0.6,
                color=colour,
                label=label,
                clip_on=False,
                zorder=4,
            )


def dress_points(ax: Axes, xlabel: str, ylabel: str) -> None:
    """Names the axes and explains the markers below, where no point can lie.

    Example:
        >>> from discretevae.pages.figures import new_axes
        >>> ax = new_axes()
        >>> dress_points(ax, "variance", "bias")
        >>> ax.get_ylabel()
        'bias'
    """
    ax.grid(which="major", color="#E9E9E9", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(which="minor", length=2, color="#A0A0A0", labelsize=8)
    ax.set_xlabel(xlabel, color=INK, loc="left")
    ax.set_ylabel(ylabel, color=INK)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(
            loc="upper right",
            bbox_to_anchor=(1.03, 0),
            borderaxespad=1.9,
            ncols=3,
            frameon=False,
            fontsize=9,
            handletextpad=0.5,
            handlelength=1.4,
            columnspacing=1.4,
        )


def _overlap(
    boxes: Float32[np.ndarray, "A 4"], others: Float32[np.ndarray, "B 4"]
) -> Bool[np.ndarray, "A B"]:
    a, b = boxes[:, None], others[None]
    return np.asarray(((a[..., :2] < b[..., 2:]) & (b[..., :2] < a[..., 2:])).all(-1))


def _sides(
    lines: Float32[np.ndarray, "A 2 2"], points: Float32[np.ndarray, "B 2"]
) -> Float32[np.ndarray, "A B"]:
    """On which side of each line each point lies, by the sign."""
    along = lines[:, 1] - lines[:, 0]
    normal = np.stack([-along[:, 1], along[:, 0]], 1)
    return normal @ points.T - (normal * lines[:, 0]).sum(1, keepdims=True)


def _crossings(
    lines: Float32[np.ndarray, "A 2 2"], others: Float32[np.ndarray, "B 2 2"]
) -> Bool[np.ndarray, "A B"]:
    parted = _sides(lines, others[:, 0]) * _sides(lines, others[:, 1])
    back = _sides(others, lines[:, 0]) * _sides(others, lines[:, 1])
    return np.less(parted, -1) & np.less(back, -1).T  # not zero: lines that touch do not cross


def _hits(
    lines: Float32[np.ndarray, "A 2 2"], boxes: Float32[np.ndarray, "B 4"]
) -> Bool[np.ndarray, "A B"]:
    """Which lines run through which boxes: they cross one of the two diagonals."""
    rising, falling = boxes.reshape(-1, 2, 2), boxes[:, [0, 3, 2, 1]].reshape(-1, 2, 2)
    return _crossings(lines, rising) | _crossings(lines, falling)


def _leaders(
    anchor: Float32[np.ndarray, "2"], boxes: Float32[np.ndarray, "C 4"]
) -> Float32[np.ndarray, "C 2 2"]:
    """Lines from a point to where its boxes begin."""
    ends = np.clip(anchor, boxes[:, :2], boxes[:, 2:])
    return np.stack([np.broadcast_to(anchor, ends.shape), ends], 1)


def _misread(
    anchor: Float32[np.ndarray, "2"],
    others: Float32[np.ndarray, "O 2"],
    boxes: Float32[np.ndarray, "C 4"],
) -> Bool[np.ndarray, "C O"]:
    """Which boxes seem to be the names of which other points: they are hardly further away."""
    points = np.concatenate([anchor[None], others])
    nearest = np.clip(points, boxes[:, None, :2], boxes[:, None, 2:])
    distance = np.linalg.norm(nearest - points, axis=-1)
    return distance[:, 1:] < np.minimum(distance[:, :1], _LEADER) + 1.5


def _candidates(
    anchor: Float32[np.ndarray, "2"],
    others: Float32[np.ndarray, "O 2"],
    size: Float32[np.ndarray, "2"],
    frame: Float32[np.ndarray, "4"],
    obstacles: Float32[np.ndarray, "M 4"],
) -> tuple[Float32[np.ndarray, "C 4"], Float32[np.ndarray, " C"]]:
    """The cheapest boxes for the name of a point; best is right beside it, then left."""
    gap, angle = (grid.ravel() for grid in np.meshgrid(_GAPS, _ANGLES, indexing="ij"))
    direction = np.stack([np.cos(angle), np.sin(angle)], 1)
    centre = anchor + direction * (size / 2 + gap[:, None])
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1, dtype=np.float32)
    markers = np.concatenate([others - 4, others + 4], 1)
    outside = (boxes[:, :2] < frame[:2]).any(1) | (boxes[:, 2:] > frame[2:]).any(1)
    cost = 1.2 * gap + 1.5 * np.abs(direction[:, 1]) + 0.7 * (direction[:, 0] < -1e-9)
    cost += 6 * (gap > _LEADER) + 1e6 * outside
    cost += 300 * _overlap(boxes, markers).sum(1) + 12 * _overlap(boxes, obstacles).sum(1)
    cost += 20 * _misread(anchor, others, boxes).sum(1)
    cost += 50 * _hits(_leaders(anchor, boxes), markers).sum(1)
    kept = np.argsort(cost, kind="stable")[:_TRIED]
    return boxes[kept], cost[kept].astype(np.float32)


def _clashes(
    anchors: Float32[np.ndarray, "N 2"], boxes: Float32[np.ndarray, "N C 4"]
) -> Float32[np.ndarray, "N C N C"]:
    """What it costs that two names have a box each: overlapping is worst, crossing lines least."""
    count, tried = boxes.shape[:2]
    lines = np.stack([_leaders(*one) for one in zip(anchors, boxes, strict=True)])
    clash = np.zeros((count, tried, count, tried), np.float32)
    for i in range(count - 1):
        later, leaders = boxes[i + 1 :].reshape(-1, 4), lines[i + 1 :].reshape(-1, 2, 2)
        cost = 1e4 * _overlap(boxes[i], later) + 60 * _crossings(lines[i], leaders)
        cost += 100 * _hits(lines[i], later) + 100 * _hits(leaders, boxes[i]).T
        clash[i, :, i + 1 :] = cost.reshape(tried, -1, tried)
        clash[i + 1 :, :, i] = cost.reshape(tried, -1, tried).transpose(1, 2, 0)
    return clash


def _choose(
    alone: Float32[np.ndarray, "N C"], clash: Float32[np.ndarray, "N C N C"]
) -> Int[np.ndarray, " N"]:
    """Each name in turn takes its cheapest box, given those of the others, until none moves.

    Does so in several orders, the same at every call, and keeps the cheapest outcome.
    """
    numbers = np.arange(len(alone))
    rng = np.random.default_rng(0)
    best, least = np.zeros(len(alone), int), np.inf
    for _ in range(_ORDERS):
        choice = np.zeros(len(alone), int)
        for _ in range(10):
            before = choice.copy()
            for i in rng.permutation(numbers):
                choice[i] = (alone[i] + clash[i][:, numbers, choice].sum(1)).argmin()
            if np.array_equal(before, choice):
                break
        pairs = clash[numbers, choice][:, numbers, choice].sum()
        paid = alone[numbers, choice].sum() + pairs / 2
        if paid < least:
            best, least = choice, paid
    return best


def _place(
    anchors: Float32[np.ndarray, "N 2"],
    sizes: Float32[np.ndarray, "N 2"],
    frame: Float32[np.ndarray, "4"],
    obstacles: Float32[np.ndarray, "M 4"],
) -> Float32[np.ndarray, "N 4"]:
    """Finds a box for the name of each point, all in points of the page."""
    numbers = np.arange(len(anchors))
    found = [
        _candidates(anchors[i], anchors[numbers != i], sizes[i], frame, obstacles) for i in numbers
    ]
    boxes, alone = np.stack([one[0] for one in found]), np.stack([one[1] for one in found])
    return boxes[numbers, _choose(alone, _clashes(anchors, boxes))]


def _extent(ax: Axes, name: str) -> tuple[float, float]:
    """The width and height of a name in pixels, with a little air."""
    text = ax.text(0, 0, for_figure(name), fontsize=_FONT_SIZE)
    box = text.get_window_extent()
    text.remove()
    return box.width + 0.5 * box.height, 1.15 * box.height


def label_points(
    ax: Axes,
    names: Sequence[str],
    points: Float[np.ndarray, "N 2"],
    obstacles: Float[np.ndarray, "M 4"],
) -> None:
    """Writes each name beside its point, so that names neither overlap nor leave the axes.

    Where there is no room next to a point, its name stands further away, on a thin leader line.
    The places suit the size and the limits that the axes have now.

    Arguments:
        points: In the units of the data.
        obstacles: Boxes (x0, y0, x1, y1) that names avoid if they can, in the units of the data.

    Example:
        >>> from discretevae.pages.figures import new_axes
        >>> ax = new_axes()
        >>> label_points(ax, ["a", "b"], np.full((2, 2), 0.5), np.zeros((0, 4)))
        >>> ax.texts[0].xyann == ax.texts[1].xyann
        False
    """
    if len(names) == 0:
        return
    figure = ax.figure.canvas.figure
    figure.draw_without_rendering()  # settles the layout
    scale = 72 / figure.dpi
    extents = [_extent(ax, name) for name in names]
    on_page = [
        ax.transData.transform(points),
        np.array(extents),
        np.array(ax.bbox.extents),
        ax.transData.transform(obstacles.reshape(-1, 2)).reshape(-1, 4),
    ]
    anchors, sizes, frame, corners = (np.float32(scale) * a.astype(np.float32) for a in on_page)
    boxes = _place(anchors, sizes, frame, corners)
    for name, point, anchor, box in zip(names, points, anchors, boxes, strict=True):
        start = np.clip(anchor, box[:2], box[2:])
        leader = {
            "arrowstyle": "-",
            "color": MUTED,
            "linewidth": 0.5,
            "patchA": None,  # else the line would stop some way before the name
            "relpos": tuple((start - box[:2]) / (box[2:] - box[:2])),
            "shrinkA": 0,
            "shrinkB": 3,
        }
        label = ax.annotate(
            for_figure(name),
            xy=(float(point[0]), float(point[1])),
            xytext=tuple((box[:2] + box[2:]) / 2 - anchor),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_FONT_SIZE,
            color=INK,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            annotation_clip=False,
            zorder=5,
            arrowprops=leader if np.linalg.norm(start - anchor) > _LEADER else None,
        )
        label.set_in_layout(False)
