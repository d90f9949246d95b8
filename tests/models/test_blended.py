import torch

from pipeline.models.blended import Blended
from pipeline.models.signals import Outputs


class Halves(torch.nn.Module):
    """Gives half of the mixture, and tells of its other inputs."""

    def forward(self, mixture, lengths=None):
        logits = None if lengths is None else lengths[:, None].float()
        return Outputs(mixture[:, None] / 2, speaker_logits=logits)


def test_a_share_of_the_mixture_is_added_to_the_estimates():
    mixture = torch.tensor([[4.0, -8.0]])
    for share, expected in ((0.0, [2.0, -4.0]), (0.25, [2.5, -5.0]), (1.0, [4.0, -8.0])):
        found = Blended(Halves(), share)(mixture)
        assert found.estimates.tolist() == [[expected]]


def test_other_inputs_and_outputs_pass_through():
    found = Blended(Halves(), 0.5)(torch.zeros(2, 3), lengths=torch.tensor([3, 2]))
    assert found.speaker_logits.tolist() == [[3.0], [2.0]]


def test_estimates_in_another_precision_are_blended_in_float32():
    class Rough(torch.nn.Module):
        def forward(self, mixture):
            return mixture[:, None].to(torch.bfloat16) / 2

    mixture = torch.tensor([[4.0, -8.0]])
    found = Blended(Rough(), 0.25)(mixture).estimates
    assert found.dtype == torch.float32 and found.tolist() == [[[2.5, -5.0]]]
