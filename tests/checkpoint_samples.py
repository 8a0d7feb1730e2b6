"""What the tests of checkpoints ask of the small ones in `audits.reliability.samples`."""

import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from shared.checkpoints.checkpoint import load_checkpoint
from shared.errors import CheckpointError

WQ = "transformer.h.0.attn.c_attn.weight"


def refused(path, *fragments):
    """Loading is refused in one line that holds every fragment."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < len(str(path)) + 500
    for fragment in fragments:
        assert fragment in message
    return message


def resave(path, tensors):
    """Write tensors over a model.safetensors, keeping its metadata."""
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata=metadata)


def listing(directory):
    return sorted(entry.name for entry in directory.iterdir())
