"""Train one preset in one backend, as its command line does, and measure the result."""

import time
from pathlib import Path

from audits.results.record import Result, fingerprint
from shared.commands.terminal import OK
from shared.commands.train import train_main
from shared.commands.trained import load_trained
from shared.config import SampleConfig
from shared.errors import RunError
from shared.protocol import Model, load_backend
from shared.runs.baselines import bigram_loss
from shared.runs.directory import RunDirectory
from shared.runs.metrics import read_metrics
from shared.text.datasets import encode_dataset, load_dataset
from shared.text.tokenizers import Tokenizer

SAMPLING = SampleConfig(max_new_tokens=200, temperature=0.8, seed=1)
LONGEST = 60
"""Characters of a sample's first line."""


def train_preset(preset: str, backend: str, dataset: str, run: Path) -> Result:
    """Train a preset in the directory `run`, which is replaced, and kept to sample from. Needs a
    fresh process and an idle machine: see `lessons.alone`. Raises `RunError` if the training
    failed, and has printed why."""
    began = time.perf_counter()
    options = ["--preset", preset, "--dataset", dataset, "--out", str(run), "--overwrite"]
    if train_main(backend, options) != OK:
        raise RunError(f"{preset} was not trained in {backend}")
    seconds = time.perf_counter() - began
    checkpoint, tokenizer = load_trained(backend, run)
    data = encode_dataset(load_dataset(dataset), tokenizer, checkpoint.config.block_size)
    rows = read_metrics(RunDirectory(run).metrics)
    val_loss, bits_per_byte = rows[-1].val_loss, rows[-1].bits_per_byte
    assert val_loss is not None, "the last step is always evaluated"
    assert bits_per_byte is not None
    model = load_backend(backend).build(checkpoint.config, checkpoint.weights)
    return Result(
        preset=preset,
        backend=backend,
        dataset=dataset,
        sources=fingerprint(backend),
        steps=rows[-1].step,
        val_loss=val_loss,
        bits_per_byte=bits_per_byte,
        bigram=bigram_loss(data.train, data.val, tokenizer.vocab_size),
        floor=data.floor,
        seconds=seconds,
        sample=first_line(model, tokenizer),
    )


def first_line(model: Model, tokenizer: Tokenizer) -> str:
    """The first non-empty line of a text written after a newline; a long line is cut."""
    text = tokenizer.decode(model.generate(tokenizer.encode("\n"), SAMPLING))
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
