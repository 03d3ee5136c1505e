"""The command that opens a model's codes, or a sparse autoencoder's latents, in the browser."""

from typing import TYPE_CHECKING

from discretevae.texts import say

if TYPE_CHECKING:
    import gradio

    from discretevae.experiments.folder import Run

__all__ = ["explore"]


def explore(run: str, *, port: int | None = None, no_browser: bool = False) -> None:
    """Open a page on which codes can be changed by hand, from your inputs or from the prior.

    Of a sparse autoencoder it lists the latents: what each is of, what is near, and, with the
    network of --demo at hand, what the network says once a latent is taken out or made stronger.

    Only this machine can open it, and nothing leaves this machine. Needs the extra `explore`.

    Args:
        run: Folder of the run, of a discrete model, with a condition or without, or of a sparse
            autoencoder.
        port: Of the page; by default the first free one from 7860 on.
        no_browser: Only say where the page is.

    Examples:
        discretevae explore runs/digits-4x8 --port 8000 --no-browser
        discretevae explore runs/demo-topk
    """
    from discretevae.cli.sparse import is_sparse
    from discretevae.experiments.folder import Run
    from discretevae.pages.explorer.guard import private_folder
    from discretevae.pages.explorer.serving import serve

    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"`port` must be from 1 to 65535, got {port}.")
    opened = Run.open(run)
    with private_folder():
        page = _latents(opened) if is_sparse(opened) else _codes(opened)
        serve(page, port, not no_browser)


def _codes(run: "Run") -> "gradio.Blocks":
    from discretevae.cli.saved import as_trained, saved_model
    from discretevae.cli.train import stored_recipe
    from discretevae.experiments.build_data import load_again
    from discretevae.pages.explorer import Subject, require_explorable
    from discretevae.pages.explorer.page import build_page
    from discretevae.pages.explorer.serving import require_gradio
    from discretevae.pages.publish import describe

    require_explorable(saved_model(run))
    require_gradio()
    recipe = stored_recipe(run)
    model = saved_model(run, **as_trained(run, recipe))
    data = load_again(recipe, run.read_schema())
    subject = Subject.of(model, data)
    return build_page(subject, _title(run), describe(model, data), data.binarizer)


def _latents(run: "Run") -> "gradio.Blocks":
    from discretevae.cli.sparse import of_demo, stored_sparse
    from discretevae.experiments.characters import open_demo
    from discretevae.experiments.sparse_run import load_shown, open_data
    from discretevae.pages.explorer.latents import LatentSubject
    from discretevae.pages.explorer.latents_page import build_latents_page
    from discretevae.pages.explorer.serving import require_gradio
    from discretevae.pages.sparse_page import describe_sparse
    from discretevae.sparse import load

    model, recipe, demo = load(run.folder), stored_sparse(run), None
    require_gradio()
    if recipe.demo:
        demo = open_demo(run.folder / "demo")
        recipe = of_demo(recipe, demo)
    data = open_data(recipe)
    shown = load_shown(recipe.shown, data.blocks.count)
    say(f"{run.folder}: looking at its activations, {data.blocks.count:,}", error=True)
    subject = LatentSubject.look(model, data, shown, demo)
    return build_latents_page(subject, _title(run), describe_sparse(model, data))


def _title(run: "Run") -> str:
    return run.folder.resolve().name
