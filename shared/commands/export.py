"""The command that writes a trained model for Hugging Face's Transformers:
`python -m shared.commands.export --run runs/numpy --to DIR`."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.checkpoints.checkpoint import save_checkpoint
from shared.checkpoints.directories import model_around
from shared.checkpoints.export import as_gpt2
from shared.commands.options import Directory, UsageError, parse
from shared.commands.terminal import OK, run_command, say
from shared.commands.trained import load_trained

COMMAND = "shared.commands.export"


@dataclass(frozen=True)
class ExportOptions:
    """Which model, and where to."""

    run: Directory = Path("runs/numpy")
    """A run, of any backend; its newest checkpoint is taken. Or a checkpoint."""
    to: Directory = Path("exported")
    """The directory to make. What is there already is not replaced."""


def main(argv: Sequence[str] | None = None) -> int:
    """Export a model as the command line says. Returns the exit status."""
    return run_command(lambda: _export(argv))


def _export(argv: Sequence[str] | None) -> int:
    options = parse(
        ExportOptions,
        argv,
        default=ExportOptions(),
        prog=f"python -m {COMMAND}",
        description="Write a trained GPT as a GPT-2 that Hugging Face's Transformers open with "
        "AutoModelForCausalLM and AutoTokenizer. For example:\n\n"
        f"python -m {COMMAND} --run runs/numpy --to my-gpt2",
    )
    if os.path.lexists(options.to):
        raise UsageError(f"{options.to} is there already; choose a name that is free")
    if model := model_around(options.to):
        raise UsageError(f"{options.to}: {model} holds a model; choose another --to")
    checkpoint, tokenizer = load_trained("numpy", options.run)
    config, weights = as_gpt2(checkpoint.config, checkpoint.weights)
    save_checkpoint(options.to, config, weights, tokenizer=tokenizer)
    say(f"saved {options.to}; in Python: AutoModelForCausalLM.from_pretrained({str(options.to)!r})")
    return OK


if __name__ == "__main__":
    sys.exit(main())
