"""Real sizes, with `--large`: GPT-2's width and vocabulary, its window, one wide head, 8 blocks."""

import pytest

from conformance.cases import REAL, Case, batch_of, random_batch, random_weights, rounded
from conformance.judge import Judge
from conformance.training.test_optimizers import SGD, results_agree
from shared.config import SampleConfig
from shared.protocol import Backend, Model

pytestmark = [
    pytest.mark.large,
    pytest.mark.cases(*(case.name for case in REAL)),
    pytest.mark.dtypes("float32"),
]


@pytest.mark.needs("grads", "trainer", "generate")
@pytest.mark.fills(
    "logits", "loss", "gradients", "same text", *("losses on the way", "norms on the way")
)
def test_real_sizes(
    backends: dict[str, Backend],
    models: dict[str, Model],
    truthful: dict[str, Model],
    case: Case,
    judge: Judge,
) -> None:
    """Logits, loss and gradients, a step of SGD, and a few tokens, in float32 against float64."""
    tokens, targets = batch_of(case)
    judge.answers_agree("logits", models, truthful, lambda model: model.logits(tokens))
    judge.gradients_agree(models, truthful, tokens, targets)
    prompt = random_batch(case.config, seed=3)[0][0, : case.config.block_size - 2]
    config = SampleConfig(temperature=0.0, max_new_tokens=4)
    texts = judge.each(models, lambda model: list(map(int, model.generate(prompt, config))))
    first, *others = texts
    for name in others:
        error = float(texts[name] != texts[first])
        judge.holds("same text", name, error, f"tokens unlike {first}'s")
    judge.holds("same text", first, 0.0, "")
    weights = random_weights(case)

    def a_step(backend: Backend, dtype: str) -> tuple:
        given = rounded(weights) if dtype == "float64" else weights
        trainer = backend.build(case.config, given, dtype=dtype).trainer(SGD)
        return trainer.step(tokens, targets), trainer.step(tokens, targets)

    found = judge.each(backends, lambda backend: a_step(backend, "float32"))
    true = {name: a_step(backends[name], "float64") for name in truthful}
    for step in (0, 1):
        results = {name: both[step] for name, both in found.items()}
        truths = {name: both[step] for name, both in true.items()}
        results_agree(results, f"step {step + 1}", judge, truths)
