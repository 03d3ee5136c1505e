"""The front of house before and after: report, explorer, help and the log of a demo; `results/`.

Two versions of the package train the same demo on the digits of scikit-learn, each as its own
`make demo` has it. What a person then sees is counted, and photographed in Chromium. With `--axe`,
the program axe-core looks at report and explorer at 1280 and 390 points, light and dark.

    git worktree add /tmp/before 36c9181
    python benchmarks/front.py --before /tmp/before [--axe axe.min.js] [--runs runs/front]
        [--output results]

Needs playwright and Chromium; what is in `--runs` already is not trained again.
"""

import argparse
import html
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from discretevae.files import write_text

ROOT = Path(__file__).parents[1]
ENTRY = """\
try:
    from discretevae.cli.main import main
except ImportError:  # the first version
    from discretevae.cli import main
main()"""
TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>body {{ margin: 14px; background: #1b1c1e;
color: #e9eaec }} pre {{ font: 12px/1.35 "DejaVu Sans Mono", monospace; margin: 0 }}</style>
<pre>{}</pre>"""
ROWS, COLUMNS = 46, 110
"""Of a terminal that is photographed."""
BYTES = 150_000
"""Of a picture, at most."""
LOOKS = [(theme, width) for theme in ("light", "dark") for width in (1280, 390)]
SERIOUS = ("serious", "critical")
READY = "#explored .stage"
LOADS = 7
"""Of a report, of which the quickest counts, since the machine is shared."""
PATIENCE = 120
"""Seconds to wait for a server."""


@dataclass(frozen=True)
class Version:
    """A version of the package: its name here, its checkout, and the options of its demo."""

    name: str
    checkout: Path
    demo: tuple[str, ...] = ()

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Runs the command of this version."""
        source = str(self.checkout.resolve() / "src")
        own = {"PYTHONPATH": source, "COLUMNS": "80", "NO_COLOR": "1"}
        call = [sys.executable, "-W", "ignore", "-c", ENTRY, *words]
        return subprocess.Popen(call, env={**os.environ, **own}, **options)

    def train(self, runs: Path) -> tuple[Path, bytes]:
        """Trains the demo without a terminal, unless it is there; gives the run and its log."""
        place = runs / self.name
        place.mkdir(parents=True, exist_ok=True)
        run, log = place / "runs" / "demo", place / "demo.log"
        if not (run / "report.html").exists():
            words = ["train", "digits", *self.demo, "--output", "runs/demo", "--overwrite"]
            with log.open("wb") as file:
                self.start(*words, stdout=file, stderr=subprocess.STDOUT, cwd=place).wait()
        return run, log.read_bytes()

    def help(self) -> bytes:
        """What `train --help` prints."""
        out, _ = self.start("train", "--help", stdout=subprocess.PIPE).communicate()
        return out

    @contextmanager
    def explorer(self, run: Path) -> Iterator[str]:
        """Serves the explorer, and gives its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = self.start("explore", str(run), "--port", str(port), "--no-browser")
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait()


def wait_for(port: int) -> None:
    """Waits until something answers at a port of this machine."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise TimeoutError(f"nothing answers at port {port}")


def in_terminal(content: bytes) -> str:
    """A page that looks like the terminal where a log is read: what was drawn anew is kept."""
    lines = content.decode().replace("\r", "\n").split("\n")
    cut = [line[i : i + COLUMNS] for line in lines for i in range(0, len(line) or 1, COLUMNS)]
    more = [f"… and {len(cut) - ROWS:,} more lines"] if len(cut) > ROWS else []
    return TERMINAL.format(html.escape("\n".join([*cut[:ROWS], *more])))


def keep(picture: bytes, path: Path) -> None:
    """Writes a picture with as many colours and pixels as fit."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    while True:
        file = io.BytesIO()
        image.quantize(128).save(file, "png", optimize=True)
        if file.tell() <= BYTES:
            break
        image = image.resize((image.width * 9 // 10, image.height * 9 // 10))
    path.write_bytes(file.getvalue())


def violations(page: Page, axe: str, ready: str) -> dict[str, list[str]]:
    """Serious findings of axe-core in each look: what, and in how many places."""
    found = {}
    for theme, width in LOOKS:
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        page.reload()
        page.wait_for_selector(ready)
        page.evaluate(axe)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        bad = [one for one in result["violations"] if one["impact"] in SERIOUS]
        found[f"{theme} {width}"] = [f"{one['id']}: {len(one['nodes'])}" for one in bad]
    return found


def seconds_to_load(page: Page) -> float:
    """How long the page takes that is open, loaded anew."""
    begun = time.perf_counter()
    page.reload(wait_until="load")
    return time.perf_counter() - begun


def way(page: Page) -> None:
    """Asks the explorer for the way to another example, where it knows one."""
    if page.get_by_label("On the way to").count():
        page.get_by_label("On the way to").click()
        page.get_by_role("option", name="example 3").first.click()
        page.wait_for_selector("#explored .way img")


def look_at(version: Version, open_page: Callable[[], Page], args: argparse.Namespace) -> Any:
    """Counts and photographs one version."""
    run, log = version.train(args.runs)
    help_text, pictures = version.help(), args.output / "front"
    pictures.mkdir(parents=True, exist_ok=True)
    axe = args.axe.read_text(encoding="utf-8") if args.axe else None
    page = open_page()

    def photograph(name: str, width: int, height: int) -> None:
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)
        keep(page.screenshot(), pictures / f"{name}-{version.name}.png")

    found: dict[str, Any] = {
        "log": {"lines": len(log.replace(b"\r", b"\n").splitlines()), "bytes": len(log)},
        "help_lines": len(help_text.splitlines()),
    }
    for name, content in (("log", log), ("help", help_text)):
        page.set_content(in_terminal(content))
        photograph(name, 820, 800)
    page.goto((run / "report.html").resolve().as_uri())
    found["report"] = {
        "bytes": (run / "report.html").stat().st_size,
        "milliseconds_to_load": round(min(seconds_to_load(page) for _ in range(LOADS)) * 1000),
    }
    photograph("report", 1000, 1150)
    if axe:
        found["report"]["serious"] = violations(page, axe, "h1")
    with version.explorer(run) as address:
        page.goto(address)
        page.wait_for_selector(READY)
        page.set_viewport_size({"width": 1280, "height": 1040})
        way(page)
        photograph("explorer", 1280, 1040)
        found["explorer"] = {"serious": violations(page, axe, READY)} if axe else {}
    page.close()
    return found


def places(serious: dict[str, list[str]]) -> str:
    """Serious findings, in a cell."""
    found = sorted({one for look in serious.values() for one in look})
    return ", ".join(found) or "none"


def as_page(record: dict[str, Any]) -> str:
    """The page of `results/`."""
    before, after = record["before"], record["after"]
    rows = [
        (
            "lines of the demo's log, without a terminal",
            *(v["log"]["lines"] for v in (before, after)),
        ),
        ("bytes of it", *(f"{v['log']['bytes']:,}" for v in (before, after))),
        ("lines of `train --help`", *(v["help_lines"] for v in (before, after))),
        ("bytes of the report", *(f"{v['report']['bytes']:,}" for v in (before, after))),
        (
            f"milliseconds to load it, the least of {LOADS}",
            *(v["report"]["milliseconds_to_load"] for v in (before, after)),
        ),
    ]
    for part in ("report", "explorer"):
        if "serious" in after[part]:
            found = (places(v[part]["serious"]) for v in (before, after))
            rows.append((f"{part}: serious findings of axe-core and their places", *found))
    table = "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)
    parts = {
        "The log of a demo": ("log", "Where there is no terminal, as in a file or in a job."),
        "The report": ("report", "Its first screen."),
        "The explorer": ("explorer", "At 1280 points, with the way to another example."),
        "Help": ("help", "The first lines of `train --help`."),
    }
    shown = "\n".join(
        f"## {title}\n\n{says}\n\n| commit 36c9181 | now |\n|---|---|\n"
        f"| ![{title}, before](front/{name}-before.png) "
        f"| ![{title}, now](front/{name}-after.png) |\n"
        for title, (name, says) in parts.items()
    )
    return f"""# The front of house, before and after

What a person meets first, at commit 36c9181 and now. Both versions trained their own demo on the
same digits; `python benchmarks/front.py --before CHECKOUT --axe axe.min.js` counted and
photographed it. {record["machine"]}.

| | commit 36c9181 | now |
|---|---|---|
{table}

axe-core looked at 1280 and at 390 points, light and dark. The figures in the pictures are of demos
with different budgets and do not compare.

{shown}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--axe", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/front"))
    parser.add_argument("--output", type=Path, default=Path("results"))
    args = parser.parse_args()
    versions = (
        Version("before", args.before, ("--optimizer", "muon", "--learning-rate", "5e-3")),
        Version("after", ROOT),
    )
    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    record: dict[str, Any] = {"machine": "Two cores, shared, one thread; Chromium"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for version in versions:
            record[version.name] = look_at(version, browser.new_page, args)
        browser.close()
    write_text(args.output / "front.json", json.dumps(record, indent=1) + "\n")
    write_text(args.output / "front.md", as_page(record))


if __name__ == "__main__":
    main()
