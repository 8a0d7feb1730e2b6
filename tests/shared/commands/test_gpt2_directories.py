"""The commands on a GPT-2 as others write it: where its texts end, and where it may stand."""

import json
import re
import shutil
from pathlib import Path

import pytest

from conformance.cases import Case, random_weights
from conformance.shared.checkpoints.samples import hub
from shared.checkpoints.checkpoint import load_checkpoint
from shared.commands.export import main as export_main
from shared.commands.sample import sample_main
from shared.commands.train import train_main
from shared.config import GPTConfig, SampleConfig
from shared.protocol import load_backend
from shared.text.tokenizers import build_tokenizer
from tests.command_line import TEXT

CONFIG = GPTConfig(271, block_size=16, n_layer=2, n_head=2, n_embd=8, tie_weights=True)
END = "<|endoftext|>"
GREEDY = ["--prompt", "ROMEO:", "--temperature", "0", "--max-new-tokens", "9"]


@pytest.fixture
def gpt2() -> Path:
    """vocab.json, merges.txt, and two tokens that end a text: one is the fifth that it writes."""
    bpe = build_tokenizer("bpe", TEXT, 270)
    weights = random_weights(Case("gpt2", CONFIG))
    model = load_backend("numpy").build(CONFIG, weights)
    written = list(model.generate(bpe.encode("ROMEO:"), SampleConfig(5, temperature=0)))
    ends = {"bos_token_id": 270, "eos_token_id": [270, int(written[4])]}
    path = hub(Path("gpt2"), CONFIG, weights, **ends)
    table = json.loads(bpe.to_json())["model"]
    (path / "vocab.json").write_text(json.dumps(table["vocab"] | {END: 270}))
    (path / "merges.txt").write_text("\n".join(" ".join(pair) for pair in table["merges"]))
    Path("text.txt").write_text(TEXT + END)
    return path


def train(*options: str) -> int:
    return train_main("numpy", ["--dataset", "text.txt", "--eval-windows", "1", *options])


def test_a_text_ends_where_it_did(gpt2: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After tuning (at a learning rate that changes nothing), resuming and exporting."""
    still = ["--learning-rate", "1e-12", "--min-lr", "0", "--batch-size", "1"]
    assert train("--init-from", "gpt2", "--out", "tuned", *still, "--steps", "1") == 0
    assert f"note: '{END}' in text.txt is text here" in capsys.readouterr().err
    assert train("--resume", "--out", "tuned", "--steps", "2") == 0
    assert export_main(["--run", "tuned", "--to", "exported"]) == 0
    texts = []
    for path in (gpt2, Path("tuned"), Path("exported")):
        capsys.readouterr()
        assert sample_main("numpy", ["--run", str(path), *GREEDY]) == 0
        texts.append(capsys.readouterr().out)
    before, after = (load_checkpoint(path).tokenizer for path in (gpt2, "exported"))
    assert texts[1:] == texts[:1] * 2
    capsys.readouterr()
    assert sample_main("numpy", ["--run", "gpt2", *GREEDY, "--ignore-eos"]) == 0
    assert len(capsys.readouterr().out) > len(texts[0])
    assert (after.begin_of_text, after.end_of_text) == (270, before.end_of_text)
    assert sample_main("numpy", ["--run", "gpt2", *GREEDY[2:], "--prompt", f"A{END}"]) == 0
    assert f"note: '{END}' in the prompt is text here, no special token" in capsys.readouterr().err


PLACES = ["gpt2", "gpt2/x", "run/checkpoints/000006", "run/checkpoints/x", "link", "x" * 5000]
REASON = "choose another --|is there already|: File exists|: File name too long"


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[:30])
@pytest.mark.parametrize("command", ["train", "export"])
def test_what_is_no_place_for_a_run_or_an_export(gpt2, trained, capsys, place, command) -> None:
    """Models and runs, in which it would be lost; a link to nothing; an impossible name."""
    shutil.copytree(trained, "run")
    Path("link").symlink_to("nothing")
    before = sorted(Path().rglob("*"))
    if command == "train":
        status = train("--init-from", "gpt2", "--batch-size", "1", "--steps", "1", "--out", place)
    else:
        status = export_main(["--run", "run", "--to", place])
    assert re.search(f"error: .*({REASON})", capsys.readouterr().err)
    assert (status, sorted(Path().rglob("*"))) == (2, before)
