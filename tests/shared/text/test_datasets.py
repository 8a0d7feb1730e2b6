"""Tinyshakespeare: the text itself, and its download."""

import gc
import hashlib
import http.server
import logging
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pooch
import pytest

from shared.errors import DatasetError
from shared.text import datasets
from shared.text.datasets import encode_dataset, load_dataset
from shared.text.tokenizers import build_tokenizer

STAND_IN = b"First Citizen:\nBefore we proceed any further, hear me speak.\n" * 20


@pytest.fixture
def places(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """An empty data directory and an empty cache, and an address without a server."""
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    monkeypatch.setenv("MINIGPT_DATA_DIR", str(data))
    monkeypatch.setattr("pooch.os_cache", lambda name: cache / name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(datasets, "TINYSHAKESPEARE_URL", "http://127.0.0.1:9/input.txt")
    return data / "tinyshakespeare.txt", cache / "minigpt" / "tinyshakespeare.txt"


@pytest.fixture
def stand_in(monkeypatch) -> bytes:
    """A short text that passes for tinyshakespeare."""
    digest = hashlib.sha256(STAND_IN).hexdigest()
    monkeypatch.setattr(datasets, "TINYSHAKESPEARE_SHA256", digest)
    return STAND_IN


@pytest.fixture
def serve(monkeypatch):
    """Answer the download with a status and a body, after a delay."""

    with ExitStack() as servers:

        def start(body: bytes, status: int = 200, delay: float = 0, size: int = 0) -> None:
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    time.sleep(delay)
                    self.send_response(status)
                    self.send_header("Content-Length", str(size or len(body)))
                    self.end_headers()
                    self.wfile.write(body)

                def log_message(self, *_: object) -> None:
                    pass

            server = servers.enter_context(http.server.HTTPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, args=(0.01,)).start()
            servers.callback(server.shutdown)
            url = f"http://127.0.0.1:{server.server_port}/input.txt"
            monkeypatch.setattr(datasets, "TINYSHAKESPEARE_URL", url)

        yield start


def test_tinyshakespeare_itself():
    path = Path(os.environ.get("MINIGPT_DATA_DIR", "")) / "tinyshakespeare.txt"
    if not path.exists():
        pytest.skip("MINIGPT_DATA_DIR has no tinyshakespeare.txt")
    dataset = load_dataset("tinyshakespeare")
    assert (len(dataset.train_text), len(dataset.val_text)) == (1_003_854, 111_540)
    assert dataset.train_text + dataset.val_text == path.read_text(encoding="utf-8")
    assert dataset.sha256 == datasets.TINYSHAKESPEARE_SHA256
    assert dataset.floor_nats is None
    data = encode_dataset(dataset, build_tokenizer("char", dataset.text), block_size=64)
    assert (len(data.train), len(data.val), data.val_bytes) == (1_003_854, 111_540, 111_539)
    assert load_dataset("auto") == dataset


def test_a_download_is_kept(places, stand_in, serve, monkeypatch):
    serve(stand_in)
    logged: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", logged.append)
    monkeypatch.setattr(pooch.get_logger(), "handlers", [handler])
    assert load_dataset("tinyshakespeare").text == stand_in.decode()
    assert [path.name for path in places[1].parent.iterdir()] == ["tinyshakespeare.txt"]
    monkeypatch.setattr(datasets, "TINYSHAKESPEARE_URL", "http://127.0.0.1:9/")
    assert load_dataset("tinyshakespeare").text == stand_in.decode()
    assert not logged


@pytest.mark.parametrize(
    "answer",
    [
        None,  # no server listens
        {"body": b"not found", "status": 404},
        {"body": STAND_IN, "delay": 1.5},
        {"body": STAND_IN[:100], "size": len(STAND_IN)},
    ],
    ids=["refused", "404", "silence", "cut off"],
)
# pooch leaves it to the garbage collector to close a failed response.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failed_download(answer, places, stand_in, serve, monkeypatch):
    monkeypatch.setattr(datasets, "DOWNLOAD_TIMEOUT", 0.3)
    if answer:
        serve(**answer)
    started = time.monotonic()
    with pytest.raises(DatasetError) as caught:
        load_dataset("tinyshakespeare")
    assert time.monotonic() - started < 10
    message = str(caught.value)
    for part in (*map(str, places), datasets.TINYSHAKESPEARE_URL, "MINIGPT_DATA_DIR"):
        assert part in message
    assert "\n" not in message
    assert not places[1].parent.exists() or not list(places[1].parent.iterdir())
    del caught
    gc.collect()


def test_a_download_with_another_hash_is_not_kept(places, serve):
    serve(STAND_IN)
    found = hashlib.sha256(STAND_IN).hexdigest()
    with pytest.raises(DatasetError, match=f"{datasets.TINYSHAKESPEARE_URL} is not .* is {found}"):
        load_dataset("tinyshakespeare")
    assert not list(places[1].parent.iterdir())
