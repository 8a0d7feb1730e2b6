"""The download of tinyshakespeare. conformance/shared/test_shared_data.py pins the text's hash."""

import hashlib
from pathlib import Path

import pooch
import pytest

from shared.errors import DatasetError
from shared.text import datasets
from shared.text.datasets import load_dataset

STAND_IN = b"First Citizen:\nBefore we proceed any further, hear me speak.\n" * 20
DIGEST = hashlib.sha256(STAND_IN).hexdigest()


@pytest.fixture
def places(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """The text's places in an empty data directory and in a cache that is not there yet."""
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    monkeypatch.setenv("MINIGPT_DATA_DIR", str(data))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: cache / name)
    return data / "tinyshakespeare.txt", cache / "minigpt" / "tinyshakespeare.txt"


@pytest.fixture
def answer(monkeypatch):
    """Decides what a download finds."""

    def decide(found: bytes | OSError) -> None:
        def download(url: str, output_file: str, manager: object) -> None:
            if isinstance(found, OSError):
                raise found
            Path(output_file).write_bytes(found)

        downloaders = {datasets.DOWNLOAD_TIMEOUT: download}
        monkeypatch.setattr(pooch, "HTTPDownloader", lambda timeout: downloaders[timeout])

    return decide


def test_a_download_is_kept(places, answer, monkeypatch, caplog):
    monkeypatch.setattr(datasets, "TINYSHAKESPEARE_SHA256", DIGEST)
    monkeypatch.setattr(pooch.get_logger(), "handlers", [caplog.handler])
    for found in (STAND_IN, OSError("asked again")):
        answer(found)
        assert load_dataset("tinyshakespeare").text == STAND_IN.decode()
    assert [path.name for path in places[1].parent.iterdir()] == ["tinyshakespeare.txt"]
    assert not caplog.records


def test_a_download_that_fails_or_has_another_hash_is_not_kept(places, answer):
    for found, said in (
        (OSError("no such host"), (*map(str, places), "MINIGPT_DATA_DIR")),
        (STAND_IN, (f"{datasets.TINYSHAKESPEARE_URL} is not ", f" is {DIGEST}")),
    ):
        answer(found)
        with pytest.raises(DatasetError) as caught:
            load_dataset("tinyshakespeare")
        message = str(caught.value)
        assert all(part in message for part in (datasets.TINYSHAKESPEARE_URL, *said)), message
        assert "\n" not in message
        assert not list(places[1].parent.iterdir())
