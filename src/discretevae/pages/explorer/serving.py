"""What every page of the explorer needs: served to this machine alone, with inputs checked."""

import functools
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from discretevae.names import shorten
from discretevae.pages.explorer.guard import MOST, Guard
from discretevae.pages.explorer.subject import ExplorerError
from discretevae.pages.html import script

if TYPE_CHECKING:
    import gradio

__all__ = ["in_a_sentence", "launch", "require_gradio", "serve", "style", "whole"]

WRONG = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError)
"""What is raised where a browser sent something else than the page does."""


def serve(page: "gradio.Blocks", port: int | None, browser: bool, host: str = "127.0.0.1") -> None:
    """Serves the page until it is interrupted.

    Arguments:
        page: From `build_page`.
        port: Of the server; by default a free one from 7860 on.
        browser: Whether to open it.
        host: By default this machine alone can open it.
    """
    _, address, _ = launch(page, port, browser, host)
    print(f"{address}  (Ctrl-C ends)", flush=True)
    ended = signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all is put away
    try:
        page.block_thread()
    finally:
        page.close(verbose=False)
        signal.signal(signal.SIGTERM, ended)


def launch(page: "gradio.Blocks", port: int | None, browser: bool, host: str = "127.0.0.1") -> Any:
    """Starts the server and goes on; nothing leaves this machine."""
    gr = require_gradio()
    from starlette.middleware import Middleware

    plain = gr.themes.Base(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    try:
        return page.launch(
            server_name=host,
            server_port=port,
            inbrowser=browser,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            footer_links=[],
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            max_file_size=MOST,
            app_kwargs={"middleware": [Middleware(Guard, host=host)]},
            theme=plain,
            css=style(),
        )
    except OSError as error:
        raise ExplorerError(f"`port` must be free, got {port}: {error}") from None


def style() -> str:
    """The look of what is explored, the same as on the page of a run."""
    return script("explorer_page.css").text + script("explorer.css").text


def require_gradio() -> Any:
    """Imports gradio, with nothing told to anyone.

    Raises:
        ExplorerError: If it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when it is imported
    try:
        import gradio
    except ImportError:
        raise ExplorerError(
            'the explorer needs more packages: pip install "discretevae[explore]".'
        ) from None
    return gradio


def whole(name: str, value: Any, count: int) -> int:
    """Reads an index that a browser sent, which need not be the page's own."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise ValueError(f"`{name}` must be from 0 to {count - 1}, got {shorten(repr(value))}.")
    return value


def in_a_sentence(gr: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Tells whoever sent it what is wrong with an input, and the terminal nothing."""

    def wrapped(answer: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(answer)
        def answered(*inputs: Any, **more: Any) -> Any:
            try:
                return answer(*inputs, **more)
            except WRONG as error:
                said = shorten(str(error)) or "this cannot be read."
                raise gr.Error(said, print_exception=False) from None

        return answered

    return wrapped
