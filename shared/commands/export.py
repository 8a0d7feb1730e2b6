"""Write a trained GPT as a GPT-2, which Hugging Face's Transformers opens with AutoModelForCausalLM
and AutoTokenizer: `python -m shared.commands.export --run runs/numpy --to DIR`."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from shared.checkpoints.checkpoint import save_checkpoint
from shared.checkpoints.directories import model_around
from shared.checkpoints.export import as_gpt2
from shared.commands.options import Directory, UsageError, command
from shared.commands.terminal import OK, say
from shared.commands.trained import load_trained


@dataclass(frozen=True)
class ExportOptions:
    """Which model, and where to."""

    run: Directory = Path("runs/numpy")
    """A run of any backend, whose newest checkpoint is used, or a checkpoint."""
    to: Directory = Path("exported")
    """The directory to create. An existing one is not replaced."""


@command
def main(options: ExportOptions) -> int:
    """Export as the options ask. Returns the exit status."""
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
