"""Serve the site to browsers on this machine."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from shared.commands.options import UsageError
from shared.commands.terminal import say

HOST, PORT = "127.0.0.1", 8000


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without logging each request."""

    def log_message(self, *_: object) -> None:
        pass


class Server:
    """A server that binds its port first, before a build that may take minutes."""

    def __init__(self, directory: Path, port: int) -> None:
        handler = partial(QuietHandler, directory=str(directory.resolve()))
        self.server = ThreadingHTTPServer((HOST, port), handler)

    @property
    def address(self) -> str:
        """The address to open in a browser."""
        return f"http://{HOST}:{self.server.server_port}/"

    def show(self) -> None:
        """Serve until Ctrl-C."""
        say(f"look at {self.address} (Ctrl-C stops it)")
        with self.server:
            try:
                self.server.serve_forever()
            except KeyboardInterrupt:
                say("")


def open_server(directory: Path, port: int) -> Server:
    """A server of a directory, which need not exist yet, on 127.0.0.1.

    Raises:
        UsageError: the port is in use, or is not available.
    """
    try:
        return Server(directory, port)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot serve on port {port}: {why}; choose another: --port") from error
