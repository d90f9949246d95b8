"""A training's state is read as data: other contents are not run."""

import pickle

import pytest
import torch
from malice import Malice


@pytest.mark.parametrize("write", [torch.save, lambda x, p: p.write_bytes(pickle.dumps(x))])
def test_code_in_a_state_is_not_run(attempt, tmp_path, write):
    training, made = attempt(tmp_path, epochs=1), tmp_path / "made"
    training.state.mkdir()
    write({"state_dict": Malice(str(made))}, training.state / "last.ckpt")
    training.run()  # from the start
    assert training.weights.exists() and not made.exists()
