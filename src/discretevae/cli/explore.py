"""The command that opens a model's codes in the browser."""

__all__ = ["explore"]


def explore(run: str, *, port: int | None = None, no_browser: bool = False) -> None:
    """Open a page on which codes can be changed by hand, from your inputs or from the prior.

    Only this machine can open it, and nothing leaves this machine. Needs the extra `explore`.

    Args:
        run: Folder of the run, of a discrete model, with a condition or without.
        port: Of the page; by default the first free one from 7860 on.
        no_browser: Only say where the page is.

    Examples:
        discretevae explore runs/digits-4x8
        discretevae explore runs/digits-4x8 --port 8000 --no-browser
    """
    from discretevae.cli.saved import as_trained, saved_model
    from discretevae.cli.train import stored_recipe
    from discretevae.experiments.build_data import load_again
    from discretevae.experiments.folder import Run
    from discretevae.pages.explorer import Subject, require_explorable
    from discretevae.pages.explorer.guard import private_folder
    from discretevae.pages.explorer.page import build_page, require_gradio, serve
    from discretevae.pages.publish import describe

    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"`port` must be from 1 to 65535, got {port}.")
    opened = Run.open(run)
    require_explorable(saved_model(opened))
    require_gradio()
    recipe = stored_recipe(opened)
    model = saved_model(opened, **as_trained(opened, recipe))
    data = load_again(recipe, opened.read_schema())
    subject = Subject.of(model, data)
    title = opened.folder.resolve().name
    with private_folder():
        page = build_page(subject, title, describe(model, data), data.binarizer)
        serve(page, port, not no_browser)
