"""Every network of the registry learns, and runs on recordings of several lengths."""

import pytest

from pipeline.base.errors import PipelineError
from pipeline.config import Inference, Machine
from pipeline.inference.run import Setting, infer_shard
from pipeline.models.card import read_card
from pipeline.models.conv_tasnet.network import ConvTasNet
from pipeline.tasks import SEPARATE

SMALL = {
    "sudormrf": {"n_filters": 32, "bn_chan": 16, "num_blocks": 2},
    "dprnn": {"n_filters": 16, "bn_chan": 16, "hid_size": 16, "chunk_size": 20, "n_repeats": 1},
}


@pytest.mark.parametrize("name", list(SMALL))
def test_a_network_of_asteroid_learns_and_separates(attempt, sets, tmp_path, name):
    done = attempt(tmp_path, model=(name, SMALL[name]), epochs=4).run()
    history = done.history
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0] - 1
    card = read_card(done.weights)
    assert card.model == name and card.training["multiply_adds"] > 1e6
    setting = Setting(8000, Machine(device="cpu"), Inference(batch_size=4), timed=False)
    out = tmp_path / "estimates/1-of-1"
    infer_shard(SEPARATE, sets[1], "noisy", None, done.weights, out, "1-of-1", setting)
    assert len(list(out.rglob("*.wav"))) == 2 * 2


def test_a_network_that_returns_another_shape_is_one_line(attempt, tmp_path, monkeypatch):
    whole = ConvTasNet.forward
    monkeypatch.setattr(ConvTasNet, "forward", lambda *given: whole(*given)[..., :-8])
    with pytest.raises(PipelineError) as error:
        attempt(tmp_path).run()
    assert str(error.value) == (
        "the network returns [4, 2, 3992] for mixtures [4, 4000]; mend it to return"
        " [batch, sources, time], which is [4, 2, 4000] here"
    )
    monkeypatch.undo()  # the cure
    attempt(tmp_path).run()
