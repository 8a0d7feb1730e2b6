"""The logits of the token after several prompts, for the sliders on the page."""

from typing import Any

from docs.data import Producer
from docs.producers import trained
from shared.commands.next_tokens import show_token
from shared.protocol import load_backend
from shared.randomness import uniform

PROMPTS = ("I love the ", "Ann: By M", "Two stars w", "Scene: the king of ", "Enter ")
"""Some allow nearly any next token, some hardly more than one."""
SEEDS = 20
"""How many draws the page shows, from seed 1 on."""
DTYPE = "float64"


def measure() -> dict[str, Any]:
    """The trained model's logits after each prompt."""
    checkpoint, tokenizer = trained.trained()
    model = load_backend("numpy").build(checkpoint.config, checkpoint.weights, dtype=DTYPE)
    prompts = []
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt)
        logits = model.logits(ids[None])[0, -1].tolist()  # [V], every digit
        uniforms = [uniform(seed, len(ids)) for seed in range(1, SEEDS + 1)]
        prompts.append({"prompt": prompt, "logits": logits, "uniforms": uniforms})
    return {
        "run": trained.RUN_NAME,
        "tokens": [show_token(tokenizer, token) for token in range(tokenizer.vocab_size)],
        "prompts": prompts,
    }


PRODUCER = Producer("next_tokens", "what a trained model expects after some prompts", measure)
