"""The guided walk shows the values of the model, and says what it cannot show."""

import re

import numpy as np

from lessons.walk import main, tap_sentences
from shared.commands.trained import load_trained
from shared.protocol import BACKENDS, load_backend
from shared.taps import tap_names


def walked(capsys, backend, *options) -> str:
    assert main(["--backend", backend, *map(str, options)]) == 0
    return capsys.readouterr().out


def test_all_backends_walk_alike(trained, capsys):
    options = ("--run", trained, "--text", "soft!", "--dtype", "float64")
    rests = set()
    for backend in BACKENDS:
        # The first sentence names the backend; where its lines break depends on the run's path.
        out = walked(capsys, backend, *options)
        sentence, rest = re.split(r"\s+in\s+float64\.", out, maxsplit=1)
        assert " ".join(sentence.split()).endswith(f"computed by {backend}")
        rests.add(rest)
    assert len(rests) == 1


def test_everything_shown_is_what_the_model_computes(trained, capsys):
    """Shapes, mean, spread and first numbers of every tap, and the next tokens."""
    out = walked(capsys, "numpy", "--run", trained, "--text", "soft!")
    checkpoint, tokenizer = load_trained("numpy", trained)
    ids = tokenizer.encode("soft!")
    model = load_backend("numpy").build(checkpoint.config, checkpoint.weights)
    shown = re.findall(r"^  (\w[\w.]*) +\[", out, re.MULTILINE)
    assert shown == tap_names(checkpoint.config)
    for name, value in model.trace(ids[None]).items():
        (line,) = [line for line in out.splitlines() if line.startswith(f"  {name} ")]
        assert str(list(value.shape)) in line
        last = (value[0, 0] if value.ndim == 4 else value[0])[-1, :3]
        shown = [float(number) for number in re.findall(r"-?\d+\.\d{3}", line)]
        expected = [value.mean(), value.std(), *last]
        np.testing.assert_allclose(shown, expected, atol=6e-4)
    for sentence in tap_sentences(checkpoint.config).values():
        assert sentence in " ".join(out.split())
    p = model.trace(ids[None])["probs"][0, -1]
    best = int(p.argmax())
    assert re.search(rf"1 │ .* │ +{best} │ +{p[best]:.4f}", out)
    assert re.search("token +s +o +f +t +!", out)
    assert re.search(" id +" + " +".join(map(str, ids)), out)


def test_without_a_run_one_can_walk_through_fresh_weights(capsys):
    out = walked(capsys, "numpy", "--untrained", "--text", "a\x1b[31m\nb")
    assert "an untrained nanogpt-cpu" in out
    assert "\x1b" not in out, "nothing commands the terminal"
    assert re.search(r"token +a +\\x1b +\[ +3 +1 +m +\\n +b", out)
