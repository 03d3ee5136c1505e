import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from discretevae.data import DataError
from discretevae.data.downloads import RemoteFile, fetch, find

CONTENT = b"the published content" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Interrupted(Quiet):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:5000])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("DISCRETEVAE_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    return tmp_path / "cache"


def serve(handler: object) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "file.gz").write_bytes(CONTENT)
    yield from serve(partial(Quiet, directory=str(tmp_path / "served")))


@pytest.fixture
def interrupted() -> Iterator[str]:
    yield from serve(Interrupted)


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def check_refused(file: RemoteFile, cache: Path, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        fetch(file)
    message = str(caught.value)
    assert "\n" not in message
    by_hand = f"put it at {cache / 'discretevae' / 'set' / 'file.gz'}"
    for word in (*words, by_hand, "DISCRETEVAE_DATA"):
        assert word in message
    assert files_under(cache) == []


def test_a_file_is_downloaded_once(mirror: str, cache: Path, tmp_path: Path) -> None:
    file = RemoteFile("set", "file.gz", SHA256, (mirror,))
    assert find(file) is None
    path = fetch(file)
    assert path.read_bytes() == CONTENT
    assert find(file) == path
    assert files_under(cache) == [path]
    (tmp_path / "served" / "file.gz").unlink()
    assert fetch(file) == path


def test_the_next_mirror_is_tried(mirror: str) -> None:
    file = RemoteFile("set", "file.gz", SHA256, ("http://127.0.0.1:9/", mirror))
    assert fetch(file).read_bytes() == CONTENT


def test_another_hash_leaves_no_file(mirror: str, cache: Path) -> None:
    file = RemoteFile("set", "file.gz", "0" * 32, (mirror,))
    check_refused(file, cache, "does not match the published hash")


def test_a_missing_file_leaves_no_file(mirror: str, cache: Path) -> None:
    file = RemoteFile("set", "file.gz", SHA256, (mirror + "elsewhere/",))
    check_refused(file, cache, "HTTP status 404")


def test_no_connection_leaves_no_file(cache: Path) -> None:
    file = RemoteFile("set", "file.gz", SHA256, ("http://127.0.0.1:9/",))
    check_refused(file, cache, "127.0.0.1:9: ConnectionError")


def test_an_interrupted_download_leaves_no_file(interrupted: str, cache: Path) -> None:
    check_refused(RemoteFile("set", "file.gz", SHA256, (interrupted,)), cache, "127.0.0.1")


def test_a_damaged_copy_in_the_cache_is_replaced(mirror: str) -> None:
    file = RemoteFile("set", "file.gz", SHA256, (mirror,))
    fetch(file).write_bytes(b"damaged")
    assert fetch(file).read_bytes() == CONTENT


def test_a_supplied_file_comes_first(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supplied = tmp_path / "mine" / "set" / "file.gz"
    supplied.parent.mkdir(parents=True)
    supplied.write_bytes(b"compressed anew")
    monkeypatch.setenv("DISCRETEVAE_DATA", str(tmp_path / "mine"))
    file = RemoteFile("set", "file.gz", SHA256, ("http://127.0.0.1:9/",), content=SHA256)
    assert find(file) == fetch(file) == supplied  # what it unpacks to is compared by its reader
    assert files_under(cache) == []


def test_a_supplied_file_with_another_hash_is_refused(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supplied = tmp_path / "mine" / "set" / "file.gz"
    supplied.parent.mkdir(parents=True)
    supplied.write_bytes(b"another")
    monkeypatch.setenv("DISCRETEVAE_DATA", str(tmp_path / "mine"))
    file = RemoteFile("set", "file.gz", SHA256, ("http://127.0.0.1:9/",))
    with pytest.raises(DataError, match=f"must have the SHA-256 {SHA256}, got "):
        fetch(file)
    supplied.write_bytes(CONTENT)
    assert fetch(file) == supplied
