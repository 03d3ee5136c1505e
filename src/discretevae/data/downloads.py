"""Published files: looked for on this machine first, else downloaded and verified."""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from discretevae.files import open_plain

from .errors import DataError

__all__ = ["RemoteFile", "fetch", "find"]

VARIABLE = "DISCRETEVAE_DATA"
BLOCK = 2**20


@dataclass(frozen=True)
class RemoteFile:
    """Describes a published file.

    Arguments:
        folder: The data set it belongs to, and its folder under the cache.
        name: The file's name, there and on the mirrors.
        sha256: Its hash.
        mirrors: Addresses that end in a slash, tried in order; all by https.
        content: The hash of what it unpacks to, where that is known: a copy that was compressed
            anew is recognised by it.
    """

    folder: str
    name: str
    sha256: str
    mirrors: tuple[str, ...]
    content: str | None = None


def find(file: RemoteFile) -> Path | None:
    """Returns where the file is on this machine: under DISCRETEVAE_DATA or in the cache."""
    supplied = os.environ.get(VARIABLE)
    folders = [Path(os.path.expanduser(supplied))] if supplied else []
    paths = (folder / file.folder / file.name for folder in [*folders, _cache()])
    return next((path for path in paths if path.is_file()), None)


def fetch(file: RemoteFile) -> Path:
    """Returns where the file is, after downloading it if need be.

    A copy under DISCRETEVAE_DATA must have the published hash too, or unpack to the published
    content, which is for who unpacks it to compare.

    Raises:
        DataError: If a copy is another file, or every mirror fails or sends other content; no file
            is left behind.
    """
    path = find(file)
    if path is not None and _cache() not in path.parents:
        if file.content is None and (found := _sha256(path)) != file.sha256:
            raise DataError(f"{path} must have the SHA-256 {file.sha256}, got {found}.")
        return path
    failures = []
    for mirror in file.mirrors:
        try:
            return _retrieve(mirror + file.name, file)
        except (OSError, ValueError) as error:  # of the network or disk; of the hash
            failures.append(f"{urlsplit(mirror).netloc}: {_reason(error)}")
    raise DataError(
        f"cannot download {file.name} of {file.folder} ({'; '.join(failures)}); to supply it by "
        f"hand, put it at {_cache() / file.folder / file.name}, or at {file.folder}/{file.name} "
        f"in a folder that the environment variable {VARIABLE} names."
    )


def _sha256(path: Path) -> str:
    with open_plain(path) as file:
        digest = hashlib.sha256()
        while block := file.read(BLOCK):
            digest.update(block)
        return digest.hexdigest()


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("discretevae"))


def _retrieve(url: str, file: RemoteFile) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # a failure is told once, in one line of ours
    # pooch writes beside the target, verifies, and only then puts the file in its place
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    folder = _cache() / file.folder
    return Path(
        pooch.retrieve(url, f"sha256:{file.sha256}", file.name, folder, downloader=downloader)
    )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        status = getattr(getattr(error, "response", None), "status_code", None)
        return f"HTTP status {status}" if status else type(error).__name__
    return "content does not match the published hash"
