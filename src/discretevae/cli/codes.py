"""The commands that make files of codes and compressed files, and undo them."""

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from discretevae.cli.options import shares
from discretevae.experiments.recipe import Data, Recipe
from discretevae.texts import note, say

if TYPE_CHECKING:
    import torch

    from discretevae.data import Keys
    from discretevae.data.binarize import Binarizer
    from discretevae.data.blocks import Blocks
    from discretevae.experiments.folder import Run
    from discretevae.models import VAE

__all__ = ["compress", "decode", "decompress", "encode", "ids"]


def encode(
    run: str,
    data: str | None = None,
    *,
    devices: int = 1,
    num_nodes: int = 1,
    unique: bool = False,
    output: str | None = None,
) -> None:
    """Write the most probable code of every example; a .npy file need not fit in memory.

    Args:
        run: Folder of the run.
        data: Data as for `train`, given as the second argument; by default the test examples of
            the run.
        devices: Processes of each machine, which take the batches in turns.
        num_nodes: Machines, on each of which the same command is started by torchrun or SLURM.
        unique: In a .csv or .parquet file, put a last digit beside each code, `copy`, that tells
            apart those who share it: how many before it have the same.
        output: A .npz, .csv or .parquet file: of each example its number, its file, id and label,
            and its code (in a .npz file `codes`, from which `decode` reads); by default
            RUN/codes.npz.

    Examples:
        discretevae encode runs/digits-4x8
        discretevae encode runs/digits-4x8 mine.npy -o codes.csv
    """
    import numpy as np
    import torch

    from discretevae.codes import encode_file
    from discretevae.codes.batches import batch_size, require_fit
    from discretevae.codes.files import encoded
    from discretevae.data.results import ENDINGS, as_array, write_rows
    from discretevae.evaluation import collisions, occurrences
    from discretevae.pages.progress import track
    from discretevae.training.processes import start_processes

    opened, model = _opened(run)
    path = Path(output or opened.folder / "codes.npz")
    if path.suffix not in ENDINGS:
        raise ValueError(f"`--output` must end in {', '.join(ENDINGS)}, got {str(path)!r}.")
    if unique and path.suffix == ".npz":
        raise ValueError("`unique` must go with a .csv or .parquet --output, got a .npz file.")
    found = _data(opened, data, model)
    processes = start_processes(devices, num_nodes)
    keys = found.keys.cells()
    if path.suffix == ".npz":
        beside = {name: as_array(cells) for name, cells in keys.items()}
        blocks, binarizer = found.blocks, found.binarizer
        encode_file(model, blocks, path, binarizer, found.draws, track, processes, beside)
    elif processes.rank == 0:
        size = batch_size(model)
        require_fit(model, found.blocks)
        seen = found.blocks.seen(size, found.binarizer, found.draws)
        codes = torch.from_numpy(np.concatenate([*encoded(model, track(seen, "encoding"))]))
        own = {f"z{d}": codes[:, d].tolist() for d in range(codes.shape[1])}
        write_rows(path, keys, own | ({"copy": occurrences(codes).tolist()} if unique else {}))
        shared = collisions(codes)
        note(f"{len(codes):,} rows, of which {shared:.1%} share their code with another")
    if processes.rank == 0:
        say(path)


@shares(
    *(one.name for one in fields(Data)),
    *("network", "widths", "epochs", "batch_size", "seed"),
    codebook=256,
    num_quantisers=3,
)
def ids(recipe: Recipe, *, output: str | None = None) -> None:
    """Give each row of a table or of an array of embeddings a semantic id: a few codes.

    Trains residual quantisers, each of what those before it have left (`train --model vq`), then
    encodes all rows: those with the same first codes are alike.

    Args:
        codebook: K, the codes of each digit; by default 256.
        num_quantisers: Digits of an id; by default 3. A last one, `copy`, tells apart those who
            share all others.
        output: A .csv or .parquet file of ids; by default RUN/ids.csv. The run that made
            them is a new folder under runs/.

    Examples:
        discretevae ids items.npy
        discretevae ids items.csv --num-quantisers 4 -o ids.csv
    """
    from discretevae.cli.train import Output, train
    from discretevae.experiments.build_data import is_named
    from discretevae.experiments.folder import free_folder

    if is_named(recipe.data):
        raise ValueError(f"`data` must be a file of rows to name, got {recipe.data!r}.")
    if output is not None and Path(output).suffix not in (".csv", ".parquet"):
        raise ValueError(f"`--output` must end in .csv or .parquet, got {output!r}.")
    folder = free_folder(Path("runs"), f"{Path(recipe.data).stem}-ids")
    train(replace(recipe, model="vq"), output=Output(str(folder)))
    encode(str(folder), recipe.data, unique=True, output=output or str(folder / "ids.csv"))


def decode(run: str, codes: str, *, output: str | None = None) -> None:
    """Decode a file of codes: the reconstructions of what was encoded.

    Args:
        run: Folder of the run.
        codes: A file that `encode` wrote with the same model.
        output: A .npy file of the decoded means; by default RUN/decoded.npy.

    Examples:
        discretevae decode runs/digits-4x8 runs/digits-4x8/codes.npz
        discretevae decode runs/digits-4x8 codes.npz -o decoded.npy
    """
    from discretevae.codes import decode_file
    from discretevae.pages.progress import track

    opened, model = _opened(run)
    path = _output(output or opened.folder / "decoded.npy", ".npy")
    decode_file(model, codes, path, track)
    say(path)


def compress(
    run: str, data: str | None = None, *, lossy: bool = False, output: str | None = None
) -> None:
    """Compress bits or bytes without loss, to the model's −ELBO in bits.

    Args:
        run: Folder of the run, of a model with the Bernoulli likelihood or one of levels.
        data: A file or a folder of images of 0 and 1 (or of bytes 0 and 255; of any bytes for a
            likelihood of levels), or the name of a data set, given as the second argument; by
            default the test examples of the run. Those of a named set are binarised as the run's.
        lossy: Keep the codes alone, for any likelihood and any data as for `train`: the file
            decompresses to the reconstructions.
        output: The compressed file; by default RUN/compressed.dvae.

    Examples:
        discretevae compress runs/digits-4x8
        discretevae compress runs/digits-4x8 mine.npy -o mine.dvae
    """
    from discretevae.codes import compress_codes, compress_file
    from discretevae.pages.progress import track

    opened, model = _opened(run)
    path = _output(output or opened.folder / "compressed.dvae", ".dvae")
    found = _data(opened, data, model)
    if lossy:
        compress_codes(model, found.blocks, path, found.binarizer, found.draws, track)
    else:
        compress_file(model, found.blocks, path, track)
    size = path.stat().st_size
    bits = 8 * size / found.blocks.count
    say(f"{path}: {found.blocks.count:,} examples in {size:,} bytes, {bits:.4g} bits each")


def decompress(run: str, file: str, *, output: str | None = None) -> None:
    """Give back what `compress` was given, to the bit; or the reconstructions of kept codes.

    Args:
        run: Folder of the run.
        file: What `compress` wrote with the same model.
        output: A .npy file; by default RUN/decompressed.npy.

    Examples:
        discretevae decompress runs/digits-4x8 runs/digits-4x8/compressed.dvae
        discretevae decompress runs/digits-4x8 mine.dvae -o mine.npy
    """
    from discretevae.codes import decompress_file
    from discretevae.pages.progress import track

    opened, model = _opened(run)
    path = _output(output or opened.folder / "decompressed.npy", ".npy")
    decompress_file(model, file, path, track)
    say(path)


class _Data(NamedTuple):
    """Data, and how they become what the model has seen."""

    blocks: "Blocks"
    binarizer: "Binarizer"
    draws: "torch.Generator | None"
    keys: "Keys"


def _data(run: "Run", data: str | None, model: "VAE") -> _Data:
    """Opens data as `reconstruct` sees them; files of observations a block at a time."""
    from discretevae.cli.train import stored_recipe
    from discretevae.data import BINARIZERS, Keys, generator
    from discretevae.data.array_schema import ArraySchema
    from discretevae.data.blocks import Blocks, open_blocks
    from discretevae.experiments.build_data import FORMATS, binarizer_of, is_named
    from discretevae.experiments.shown import shown_for

    recipe, schema = stored_recipe(run), run.read_schema()
    draws = generator("file", recipe.seed)
    if isinstance(schema, ArraySchema) and str(data).lower().endswith(".npy"):
        blocks = open_blocks(str(data)).meant(schema)
        return _Data(blocks, binarizer_of(recipe), draws, Keys.of_rows(blocks.count))
    named = data is None or is_named(data)
    if named or recipe.likelihood in FORMATS or schema is not None:
        look = shown_for(recipe, schema, data, model)
        keys = look.keys or Keys.of_rows(len(look.examples))
        blocks = Blocks.of(look.examples, data or recipe.data)
        return _Data(blocks, BINARIZERS["none"], None, keys)
    blocks = open_blocks(str(data))
    return _Data(blocks, binarizer_of(recipe), draws, Keys.of_rows(blocks.count))


def _opened(run: str) -> tuple["Run", "VAE"]:
    from discretevae.cli.saved import require_codes, saved_model
    from discretevae.experiments.folder import Run

    opened = Run.open(run)
    return opened, require_codes(saved_model(opened))


def _output(path: str | Path, ending: str) -> Path:
    if Path(path).suffix != ending:
        raise ValueError(f"`--output` must end in {ending}, got {str(path)!r}.")
    return Path(path)
