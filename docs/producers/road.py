"""The notebook docs/road.ipynb, run from its first cell to its last."""

from collections.abc import Mapping
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from docs.data import Producer, ProducerError
from shared.errors import BackendError
from shared.sources import ROOT

NOTEBOOK = ROOT / "docs" / "road.ipynb"
SECONDS = 60
"""The time limit of a cell. All cells together take fifteen seconds."""


def measure() -> dict[str, Any]:
    return dict(run(nbformat.read(NOTEBOOK, as_version=4)))


def run(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Run all cells with this Python, from docs/, as Jupyter would, and add their output. Raises
    `BackendError` if a backend is not installed, `ProducerError` if a cell fails, or draws a
    picture without an alternative text."""
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    quiet = ["--log-level=ERROR"]  # the kernel warns about its own sockets
    client = NotebookClient(notebook, timeout=SECONDS, resources=where, extra_arguments=quiet)
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        why = str(error).strip().splitlines()[0]
        if isinstance(error, CellExecutionError):
            if error.ename == BackendError.__name__:
                raise BackendError(error.evalue) from None
            why = f"{error.ename}: {error.evalue}"
        last = [cell for cell in notebook.cells if "execution" in cell.metadata][-1]
        raise ProducerError(f"{_place(last)} fails: {why}") from None
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the times of execution
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}) and not alternative(output):
                raise ProducerError(f"{_place(cell)} draws a picture and has no alt text for it")
    return notebook


def alternative(output: Mapping[str, Any]) -> str:
    """The alternative text of a picture, or ""."""
    return str(output["metadata"].get("image/png", {}).get("alt", ""))


def _place(cell: nbformat.NotebookNode) -> str:
    return f"{NOTEBOOK.relative_to(ROOT).as_posix()}: the cell {cell.id!r}"


PRODUCER = Producer("road", "the notebook, a quarter of a minute", measure)
