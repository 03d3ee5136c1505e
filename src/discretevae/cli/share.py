"""The command that makes a trained model ready for others."""

from discretevae.texts import say

__all__ = ["share"]


def share(
    run: str,
    folder: str,
    *,
    push: str | None = None,
    public: bool = False,
    rare_names: bool = False,
) -> None:
    """Write a folder for others: weights, configuration, and a model card of the run's figures.

    Args:
        run: Folder of the run, trained and evaluated.
        folder: A new one, given as the second argument, or one that was shared before.
        push: Also upload it to the Hugging Face Hub, as OWNER/NAME; needs the extra `share` and
            an account that is logged in.
        public: Let everybody see a repository that --push makes; by default only you.
        rare_names: Keep names of categories and pieces of words that fewer than 5 training
            examples have, which may tell who they are.

    Examples:
        discretevae share runs/digits-4x8 shared
        discretevae share runs/digits-4x8 shared --push me/digits --public
    """
    from discretevae.cli.saved import as_trained, saved_model
    from discretevae.cli.sparse import is_sparse, stored_sparse
    from discretevae.cli.train import stored_recipe
    from discretevae.experiments.build_data import load_again
    from discretevae.experiments.folder import Run
    from discretevae.sharing import push_to_hub, require_repository, share_sparse
    from discretevae.sharing import share as write
    from discretevae.sparse import load

    if public and push is None:
        raise ValueError("`public` must go with --push, which was not given.")
    if push is not None:
        require_repository(push)
    opened = Run.open(run)
    if is_sparse(opened):
        written = share_sparse(opened, load(opened.folder), stored_sparse(opened), folder)
    else:
        recipe = stored_recipe(opened)
        model = saved_model(opened, **as_trained(opened, recipe))
        data = load_again(recipe, opened.read_schema())
        written = write(opened, model, data, recipe, folder, rare_names)
    for path in written:
        say(path)
    if push is not None:
        say(push_to_hub(folder, push, public=public))
