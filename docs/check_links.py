"""Checks every link within a built site: `python docs/check_links.py docs/_build/html`.

A link that leaves the site is not followed, for the build needs no network; a picture, script or
style from elsewhere is an error for the same reason.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}


class Page(HTMLParser):
    """Collects where a page leads and what can be led to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[str, bool]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes ids and addresses."""
        found = {name: value for name, value in attrs if value}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        for name in ("href", "src"):
            if name in found and found.get("rel") not in ("canonical", "search"):
                self.links.append((found[name], (tag, name) in LOADED))


def broken(folder: Path) -> list[str]:
    """Lists what leads nowhere, one line each.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.html").write_text('<a href="b.html">b</a> <i id="here"></i>')
        >>> broken(folder)
        ['a.html: b.html is not there']
        >>> _ = (folder / "b.html").write_text('<a href="a.html#here"></a><a href="a.html#no"></a>')
        >>> broken(folder)
        ['b.html: a.html#no has no such place']
    """
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html")}
    found = []
    for path, page in pages.items():
        for link, loaded in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if loaded and parts.scheme != "data":
                    found.append(f"{path.relative_to(folder)}: {link} is loaded from elsewhere")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{path.relative_to(folder)}: {link} is not there")
            elif parts.fragment and target in pages:
                places = pages[target].anchors | {"top"}
                if unquote(parts.fragment) not in places:
                    found.append(f"{path.relative_to(folder)}: {link} has no such place")
    if not pages:
        found.append(f"{folder} has no pages")
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    lines, pages = broken(folder), len(list(folder.rglob("*.html")))
    print("\n".join(lines) or f"every link within {pages} pages leads somewhere")
    raise SystemExit(1 if lines else 0)
