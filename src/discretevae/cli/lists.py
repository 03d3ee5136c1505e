"""The commands that list what there is to choose from."""

__all__ = ["datasets", "estimators"]


def datasets() -> None:
    """List the named data sets."""
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


def estimators() -> None:
    """List the gradient estimators with their properties."""
    from discretevae.estimators import ESTIMATORS
    from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
    from discretevae.pages.terminal import print_table, table_of

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
