"""The explorer is for this machine's own page: rebound names, foreign pages, floods, noise."""

import http.client
import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from discretevae.pages.explorer import Subject
from discretevae.pages.explorer.guard import MOST, private_folder
from discretevae.pages.explorer.page import build_page
from discretevae.pages.explorer.serving import launch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("gradio", reason="gradio is not installed")
BOUNDARY = "----boundary"


class Served(NamedTuple):
    """An explorer that runs, and where what is uploaded to it lies."""

    port: int
    folder: Path
    address: str


@pytest.fixture(scope="module")
def served(make: Callable) -> Iterator[Served]:
    model, data = make("images")
    with private_folder() as folder:
        blocks = build_page(Subject.of(model, data), "A run", "What it is.", data.binarizer)
        _, address, _ = launch(blocks, None, browser=False)
        port = int(address.rstrip("/").rsplit(":", 1)[1])
        yield Served(port, Path(folder), address)
        blocks.close(verbose=False)
    assert not Path(folder).exists()


def ask(
    served: Served,
    path: str = "/config",
    method: str = "GET",
    body: bytes | None = None,
    **headers: str,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def form(content: bytes, name: str = "x.png") -> tuple[bytes, str]:
    """A form with a file, as a browser sends it."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, f"multipart/form-data; boundary={BOUNDARY}"


def uploaded(served: Served) -> list[Path]:
    return [path for path in served.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_this_machine_is_answered(name: str, served: Served) -> None:
    status, content = ask(served, Host=f"{name}:{served.port}")
    assert status == 200
    assert b"components" in content


@pytest.mark.parametrize(
    "host",
    ["rebound.example:{port}", "127.0.0.1.rebound.example:{port}", "rebound.example", "", "[::2]",
     "localhost.:{port}", "127.0.0.1:{port}@rebound.example"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/gradio_api/queue/join"])
def test_a_rebound_name_reads_nothing(host: str, path: str, served: Served) -> None:
    status, content = ask(served, path, Host=host.format(port=served.port))
    assert status == 403
    assert len(content) < 100


@pytest.mark.parametrize(
    "origin",
    ["https://page.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}", "file://"],
)
def test_a_foreign_page_uploads_nothing(origin: str, served: Served) -> None:
    before = uploaded(served)
    body, kind = form(b"x" * 1000)
    status, _ = ask(
        served,
        "/gradio_api/upload",
        "POST",
        body,
        Content_Type=kind,
        Origin=origin.format(port=served.port),
    )
    assert status == 403
    assert uploaded(served) == before


def test_the_page_itself_uploads_into_a_folder_of_its_own(served: Served) -> None:
    body, kind = form(b"mine" * 10)
    origin = f"http://127.0.0.1:{served.port}"
    status, answer = ask(
        served, "/gradio_api/upload", "POST", body, Content_Type=kind, Origin=origin
    )
    assert status == 200
    (path,) = json.loads(answer)
    assert Path(path).is_relative_to(served.folder)
    assert os.stat(served.folder).st_mode & 0o077 == 0


def test_a_flood_is_refused_by_its_length(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as line:
        line.sendall(
            f"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            f"Content-Length: {300 * 2**20}\r\n\r\n".encode()
        )
        assert b" 413 " in line.recv(4096).split(b"\r\n")[0]


def test_a_flood_without_a_length_is_cut(served: Served) -> None:
    before = uploaded(served)
    body, kind = form(b"x" * (2 * MOST))
    chunks = (body[i : i + 2**20] for i in range(0, len(body), 2**20))
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    try:
        connection.request(
            "POST", "/gradio_api/upload", chunks, {"Content-Type": kind}, encode_chunked=True
        )
        status = connection.getresponse().status
    except OSError:  # cut while it was sent
        status = 413
    finally:
        connection.close()
    assert status >= 400
    assert sum(path.stat().st_size for path in uploaded(served)) < 2 * MOST
    assert {p for p in uploaded(served) if p.stat().st_size > MOST} <= set(before)


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/file=/etc/passwd", "/gradio_api/file=../../etc/passwd", "/file=/etc/passwd",
     "/gradio_api/proxy=http://192.0.2.1/", "/static/../../../etc/passwd"],
)  # fmt: skip
def test_no_other_file_is_read(path: str, served: Served) -> None:
    status, content = ask(served, path)
    assert status >= 400
    assert b"root:" not in content


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data": 1}', b"\xff" * 1000, b"[" * 100_000])
def test_noise_gets_no_traceback(
    body: bytes, served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    status, content = ask(
        served, "/gradio_api/queue/join", "POST", body, Content_Type="application/json"
    )
    assert 400 <= status < 600
    assert b"Traceback" not in content


def test_fifty_clients_at_once_get_the_same_page(served: Served) -> None:
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: ask(served, "/config"), range(50)))
    assert {status for status, _ in answers} == {200}
    sizes = {len(content) for _, content in answers}
    assert max(sizes) - min(sizes) < 100


def test_in_a_browser_a_rebound_name_shows_nothing(served: Served, browser: "Browser") -> None:
    """A name of the web points to this machine, as after rebinding; its page asks as its own."""
    page = browser.new_page()
    try:
        answer = page.goto(f"http://rebound.example:{served.port}/")
        assert answer is not None
        assert answer.status == 403
        assert "only pages of this machine may ask" in page.inner_text("body")
        read = "fetch('/config').then((answer) => answer.status)"
        assert page.evaluate(read) == 403
    finally:
        page.close()


def test_in_a_browser_a_foreign_page_reaches_nothing(
    served: Served, page: "Page", tmp_path: Path
) -> None:
    before = uploaded(served)
    foreign = tmp_path / "page.html"
    foreign.write_text("<title>foreign</title>")
    page.goto(foreign.as_uri())
    said = page.evaluate(
        """async (address) => {
            const form = new FormData();
            form.append("files", new Blob(["x".repeat(1000)]), "x.png");
            const send = (mode) => fetch(`${address}gradio_api/upload`,
                { method: "POST", body: form, mode }).then((r) => `${r.type} ${r.status}`,
                (error) => "failed");
            const read = () => fetch(`${address}config`).then((r) => r.text(), () => "failed");
            return [await send("cors"), await send("no-cors"), await read()];
        }""",
        served.address,
    )
    assert said[0] == "failed"
    assert said[2] in ("failed", "only pages of this machine may ask\n")
    assert uploaded(served) == before


def test_in_a_browser_noise_gets_a_sentence(
    served: Served, page: "Page", tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "noise.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 1000)
    page.goto(served.address)
    page.wait_for_selector("#explored .stage")
    page.locator("input[type=file]").set_input_files(tmp_path / "noise.png")
    page.wait_for_selector("text=the image must be whole")
    page.get_by_label("Code").fill("9 9 x " + "9" * 5000)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=the code must be 3 numbers from 0 to 3")
    page.get_by_label("Code").fill("0 1 2")  # and it goes on
    page.keyboard.press("Enter")
    page.wait_for_selector("#explored output:has-text('changed')")
    assert "Traceback" not in capfd.readouterr().err
