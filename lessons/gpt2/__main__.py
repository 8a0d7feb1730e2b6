"""OpenAI's GPT-2 in all three backends: python -m lessons.gpt2 --prompt "The meaning of life is"

Downloads the smallest GPT-2 (124 million parameters, 0.5 GB) from the Hugging Face Hub, shows where
its parameters are, and lets every backend continue the prompt. Without a network it does the same
with random weights of the same shapes: the times are right, the text means nothing.
"""

import hashlib
import logging
import math
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.table import Table
from tyro.conf import arg

from lessons.alone import run_alone
from lessons.command import command
from lessons.gpt2.writing import Report, write
from lessons.printing import table_of_numbers
from shared.commands.options import BackendName, UsageError
from shared.commands.sample import encode_prompt
from shared.commands.terminal import escape_controls, same_output_everywhere, say
from shared.commands.trained import load_trained
from shared.config import GPTConfig, SampleConfig
from shared.errors import CheckpointError
from shared.layout import tensor_shapes
from shared.memory import check_model_memory
from shared.protocol import BACKENDS, load_backend
from shared.text.tokenizers import build_tokenizer

HUB, REVISION = "openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e"
FILES = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"]
SHA256 = "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707"
"""Of model.safetensors."""
SHAPE = GPTConfig(50257, block_size=1024, n_layer=12, n_head=12, n_embd=768, tie_weights=True)
"""GPT-2's (Radford et al. 2019, table 2, its smallest model)."""
PARTS = {
    **{"wte": "token embedding, and head", "wpe": "positions", "attn": "attention"},
    **{"mlp": "MLP", "ln": "LayerNorm", "lm_head": "head"},
}


@dataclass(frozen=True)
class Options:
    prompt: str = "Hello, I'm a language model,"
    """The text to continue."""
    max_new_tokens: int = 40
    """Tokens to write after the prompt."""
    seed: int = 1
    """Seed of the random numbers, the same in all backends."""
    backends: tuple[BackendName, ...] = BACKENDS
    """The backends to compare."""
    run: Annotated[Path | None, arg(metavar="DIR")] = None
    """A directory of GPT-2's that you have, or a run. Default: download GPT-2."""


@command
def main(options: Options) -> int:
    sampling = SampleConfig(options.max_new_tokens, temperature=0.8, top_k=40, seed=options.seed)
    if not options.backends:
        raise UsageError("name a backend or more: --backends numpy torch jax")
    for name in options.backends:
        if name not in BACKENDS:
            load_backend(name)  # before the download
    directory = options.run or download()
    if directory is None:
        check_model_memory(SHAPE, "float32")
        config, tokenizer = SHAPE, build_tokenizer("byte", "")
    else:
        checkpoint, tokenizer = load_trained("numpy", directory)
        config = checkpoint.config
        del checkpoint  # half a gigabyte, which the backends need
    prompt = encode_prompt(tokenizer, options.prompt, config.block_size).tolist()
    end = tokenizer.end_of_text
    same_output_everywhere()
    out = Console(highlight=False)
    out.print(parameters(config))
    reports = {}
    for name in options.backends:
        say(f"{name} is writing …")
        reports[name] = run_alone(write, name, directory, config, prompt, sampling, end)
    out.print(measured(reports))
    by_text: dict[tuple[int, ...], list[str]] = {}  # in float32, rounding may part them
    for name, report in reports.items():
        by_text.setdefault(tuple(report.tokens), []).append(name)
    for tokens, names in by_text.items():
        text = tokenizer.decode(tokens) if directory else f" … then the tokens {[*tokens]}"
        out.print(f"\n--- {', '.join(names)}")
        out.print(escape_controls(options.prompt + text), markup=False, soft_wrap=True)
    return 0


def download() -> Path | None:
    """GPT-2's directory in the cache of the Hub, downloaded if it is not there; None without a
    network. Raises `CheckpointError` if its weights are not GPT-2's."""
    from huggingface_hub import snapshot_download  # here: importing it takes a second
    from huggingface_hub.errors import HfHubHTTPError

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # or all of its five attempts show
    say("looking for GPT-2 (0.5 GB) in the cache, or on the Hugging Face Hub …")
    try:
        found = Path(snapshot_download(HUB, revision=REVISION, allow_patterns=FILES))
    except (OSError, HfHubHTTPError) as error:
        reason = str(error).partition("\n")[0]
        say(f"note: GPT-2 cannot be downloaded: {reason}")
        say("note: random weights of its shape are used: the times are right, the text is not")
        return None
    with (found / "model.safetensors").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise CheckpointError(
            f"{found / 'model.safetensors'}: expected sha256 {SHA256}, found {digest}; delete it"
        )
    say(f"GPT-2 is in {found}")
    return found


def parameters(config: GPTConfig) -> Table:
    """How many parameters each part of the model has, in all blocks together."""
    counts: Counter[str] = Counter()
    for name, shape in tensor_shapes(config).items():
        part = next(part for part in PARTS if f"{part}." in name or f".{part}_" in name)
        counts[part] += math.prod(shape)
    title = f"{counts.total():,} parameters, in {config.n_layer} blocks"
    table = table_of_numbers("part", "parameters", "share", title=title)
    for part, count in counts.items():
        label = PARTS[part] if config.tie_weights else PARTS[part].removesuffix(", and head")
        table.add_row(label, f"{count:,}", f"{count / counts.total():.1%}")
    return table


def measured(reports: Mapping[str, Report]) -> Table:
    """The times and the memory, one backend per column."""
    caption = (
        "JAX compiles during the first two tokens, which are not in the speed, and again when a "
        "text outgrows 64 or 256 tokens."
    )
    table = table_of_numbers("", *reports, caption=caption)
    every = reports.values()
    table.add_row("load and build (s)", *(f"{r.load:.1f}" for r in every))
    table.add_row("first token (s)", *(number(r.first, 2) for r in every))
    table.add_row("tokens per second", *(number(r.tokens_per_second, 1) for r in every))
    memory = (math.nan if r.memory is None else r.memory / 2**30 for r in every)
    table.add_row("peak memory (GiB)", *(number(size, 2) for size in memory))
    return table


def number(value: float, digits: int) -> str:
    """A measured value; a dash for NaN, where there was nothing to measure."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
