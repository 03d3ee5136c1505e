"""The commands that list what there is to choose from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discretevae.estimators.gradient_estimator import GradientEstimator

__all__ = ["datasets", "estimators"]


def datasets() -> None:
    """List the named data sets.

    Examples:
        discretevae datasets
    """
    from discretevae.data import DATASETS, is_available
    from discretevae.pages.terminal import print_table, table_of

    table = table_of("Data sets")
    for column in ("name", "shape", "train", "test", "where"):
        table.add_column(column, no_wrap=True)
    table.add_column("what")
    for name, info in DATASETS.items():
        shape = "×".join(map(str, info.shape))
        where = "here" if is_available(name) else "download"
        sizes = [f"{size:,}" if size else "–" for size in (info.train_examples, info.test_examples)]
        table.add_row(name, shape, *sizes, where, info.description)
    print_table(table)


def estimators(name: str | None = None) -> None:
    """List the gradient estimators with their properties; of one its formula, bias and paper.

    Args:
        name: Of the one to explain, given as the first argument; by default all are listed.

    Examples:
        discretevae estimators
        discretevae estimators reinmax
    """
    from discretevae.estimators import ESTIMATORS
    from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
    from discretevae.names import resolve
    from discretevae.pages.formula import explained
    from discretevae.pages.terminal import print_table, table_of
    from discretevae.texts import say

    if name is not None:
        known: dict[str, type[GradientEstimator]] = {**ESTIMATORS, **MULTISAMPLE_ESTIMATORS}
        kind = resolve("name", name, known)
        for line in explained(kind.__doc__ or "").splitlines():
            say(line)
        say("")
        unbiased = name not in ESTIMATORS or ESTIMATORS[name].unbiased
        what = "E_q[f(z)]" if name in ESTIMATORS else "the S-sample bound"
        say(f"Its gradient of {what} is {'unbiased' if unbiased else 'biased'}.")
        return
    table = table_of("Estimators of E_q[f(z)] and its gradient")
    for column in ("name", "unbiased", "relaxed", "uses ∇f", "calls f"):
        table.add_column(column, no_wrap=True)
    table.add_column("what it does", overflow="fold")
    for name, cls in ESTIMATORS.items():
        line = (cls.__doc__ or "").strip().splitlines()[0].replace("**", "")
        row = [_yes(cls.unbiased), _yes(cls.relaxed), _yes(cls.needs_gradient_of_f)]
        evaluations = "K^D" if name == "exact" else str(cls().evaluations(4, 8))
        table.add_row(name, *row, evaluations, line)
    print_table(table)

    bounds = table_of("Another objective: estimators of the S-sample bound, log mean w")
    for column in ("name", "calls log w"):
        bounds.add_column(column, no_wrap=True)
    bounds.add_column("what it does", overflow="fold")
    for name, kind in MULTISAMPLE_ESTIMATORS.items():
        line = (kind.__doc__ or "").strip().splitlines()[0]
        bounds.add_row(name, str(kind().evaluations(4, 8)), line)
    print_table(bounds)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
