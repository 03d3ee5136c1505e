"""The command that writes a model for other programs."""

from pathlib import Path

from discretevae.texts import say

__all__ = ["export"]


def export(run: str, *, output: str | None = None) -> None:
    """Write encoder and decoder as ONNX files and torch.export programs.

    Args:
        run: Folder of the run.
        output: Folder of the files; by default RUN/export.

    Examples:
        discretevae export runs/digits-4x8
        discretevae export runs/digits-4x8 -o programs
    """
    from discretevae.cli.saved import saved_model
    from discretevae.experiments.folder import Run
    from discretevae.export import export as write

    opened = Run.open(run)
    model = saved_model(opened)
    for path in write(model, Path(output) if output else opened.folder / "export"):
        say(path)
