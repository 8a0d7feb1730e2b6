"""The benchmark measures a peer beside the backends."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from torch.utils.flop_counter import FlopCounterMode

from audits import bench
from audits.readme import markers
from shared.config import GPTConfig, TrainConfig
from shared.layout import init_weights
from shared.protocol import load_backend
from tests.command_line import cells_of, run_module

PEER = """
import torch
def GPTConfig(**sizes): return sizes
class GPT(torch.nn.Linear):
    def __init__(self, config): super().__init__(config["block_size"], 1)
    def configure_optimizers(self, decay, rate, betas, device):
        return torch.optim.AdamW(self.parameters(), rate, betas, weight_decay=decay)
    def forward(self, tokens, targets):
        return None, super().forward(tokens.float()).mean()
    def generate(self, ids, count, temperature): return ids
"""


def test_a_peer_takes_its_turns(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "model.py").write_text(PEER)
    readme = tmp_path / "README.md"
    readme.write_text("".join(markers("bench")))
    monkeypatch.setattr(bench, "README", readme)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(bench, "DEFAULT_PRESET", "classroom")
    command = f"python -m audits.bench --against nanogpt={tmp_path} --update-readme --json b.json"
    assert run_module(command.split(), monkeypatch) == 0
    monkeypatch.delitem(sys.modules, "model")
    rows = cells_of(capsys.readouterr().out)
    assert [row[0] for row in rows if row[0]] == ["numpy", "nanogpt"]
    table = [line.split(" | ") for line in readme.read_text().splitlines() if "| " in line]
    assert [row[0] for row in table] == ["| ", "| ---", "| numpy", "| nanogpt"]
    assert "(1.00–1.00)" in table[-1][-1]
    assert f"numpy {version('numpy')}" in readme.read_text()
    written = json.loads(Path("b.json").read_text())
    assert written["machine"] in readme.read_text()
    assert [len(turns) for turns in written["seconds"].values()] == [1, 1]
    assert "nanogpt_work" in bench.WORK["step"].__qualname__, "the peer was the last to be set up"


def test_the_operations_are_those_that_pytorch_counts() -> None:
    """It does not count those of its fused attention."""
    config, train = GPTConfig(65, 8, 2, 2, 8), TrainConfig()
    trainer = load_backend("torch").build(config, init_weights(config, 0)).trainer(train)
    with FlopCounterMode(display=False) as counter:
        trainer.step(*bench.example(config, train)[1:])
    attention = 12 * 8 * (12 * 8 * 8) * 2
    assert bench.operations(config, train) - attention == counter.get_total_flops()
