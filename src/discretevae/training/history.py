"""What training has measured, one row an epoch that is measured."""

from typing import TYPE_CHECKING, Any

from discretevae.texts import for_figure

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["History", "best_row"]


def best_row(history: list[dict[str, float]]) -> dict[str, float]:
    """Finds the epoch whose weights are kept: the best validation ELBO, or the last.

    Of a training in phases, within the last.
    """
    last = history[-1].get("phase")
    return max((row for row in history if row.get("phase") == last), key=_worth)


def _worth(row: dict[str, float]) -> float:
    return row.get("validation_elbo", row["epoch"])


class History(list[dict[str, float]]):
    """The rows of a training, a list like any other, that can be drawn and tabulated.

    Example:
        >>> row = {"epoch": 1, "train_elbo": -30.0, "validation_elbo": -31.5}
        >>> History([row, {**row, "epoch": 2, "validation_elbo": -30.25}])
        <History of 2 measurements, best at epoch 2: validation ELBO -30.25 nats per example>
    """

    @property
    def best(self) -> dict[str, float]:
        """The row of the weights that were kept."""
        return best_row(self)

    def to_frame(self) -> "pandas.DataFrame":
        """Gives a data frame of pandas, whose index is the epoch."""
        import pandas

        return pandas.DataFrame([*self]).set_index("epoch")

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draws the bounds over the epochs.

        Arguments:
            ax: Where; by default on a new figure of matplotlib's.

        Raises:
            ValueError: If there is no row.
        """
        from matplotlib import pyplot

        if not self:
            raise ValueError("`history` must have at least one row to be drawn, got none.")
        if ax is None:
            ax = pyplot.subplots(layout="constrained")[1]
        epochs = [row["epoch"] for row in self]
        for name in (name for name in self[-1] if name.endswith("_elbo")):
            values = [row.get(name, float("nan")) for row in self]
            ax.plot(epochs, values, label=for_figure(name.replace("_elbo", " ELBO")))
        ax.set(xlabel="epoch", ylabel="nats per example")
        ax.legend()
        return ax

    def __repr__(self) -> str:
        if not self:
            return "<History of no measurement>"
        best, part = self.best, "validation" if "validation_elbo" in self.best else "train"
        kept = f"best at epoch {best['epoch']:.0f}: {part} ELBO {best[f'{part}_elbo']:.2f}"
        return f"<History of {len(self)} measurements, {kept} nats per example>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Keeps IPython from writing a list's rows instead."""
        printer.text(repr(self))
