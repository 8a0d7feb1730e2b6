"""Real sizes, with `--large`: GPT-2's width and vocabulary, its window, one wide head, 8 blocks."""

import pytest

from conformance.cases import REAL, Case, batch_of, random_batch, random_weights, rounded
from conformance.decoding.test_decoding import same_text
from conformance.judge import Judge
from conformance.subject import Backends, Models
from conformance.training.test_optimizers import SGD, results_agree
from shared.config import SampleConfig
from shared.protocol import Backend

pytestmark = [
    pytest.mark.large,
    pytest.mark.cases(*(case.name for case in REAL)),
    pytest.mark.dtypes("float32"),
]


@pytest.mark.needs("grads", "trainer", "generate")
@pytest.mark.fills(
    *("logits", "loss", "gradients", "same text", "losses on the way", "norms on the way")
)
def test_real_sizes(
    backends: Backends, models: Models, truthful: Models, case: Case, judge: Judge
) -> None:
    """Logits, loss and gradients, a step of SGD, and a few tokens, in float32 against float64."""
    tokens, targets = batch_of(case)
    judge.answers_agree("logits", models, truthful, lambda model: model.logits(tokens))
    judge.gradients_agree(models, truthful, tokens, targets)
    prompt = random_batch(case.config, seed=3)[0][0, : case.config.block_size - 2]
    config = SampleConfig(temperature=0.0, max_new_tokens=4)
    texts = judge.each(models, lambda model: list(map(int, model.generate(prompt, config))))
    same_text(judge, texts)
    weights = random_weights(case)

    def two_steps(backend: Backend, dtype: str) -> list:
        given = rounded(weights) if dtype == "float64" else weights
        trainer = backend.build(case.config, given, dtype=dtype).trainer(SGD)
        return [trainer.step(tokens, targets) for _ in range(2)]

    found = judge.each(backends, lambda backend: two_steps(backend, "float32"))
    true = {name: two_steps(backends[name], "float64") for name in truthful}
    for step in (0, 1):
        results, truths = ({name: of[step] for name, of in some.items()} for some in (found, true))
        results_agree(results, f"step {step + 1}", judge, truths)
