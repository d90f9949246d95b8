"""asteroid's Conv-TasNet, as a reference for ours."""

from torch import nn

from pipeline.models import asteroid  # noqa: F401  (makes the next one work without torchaudio)

from asteroid.models import ConvTasNet  # isort: skip


def asteroid_twin(network: nn.Module) -> ConvTasNet:
    """asteroid's network with the same arguments and weights."""
    twin = ConvTasNet(**network.get_model_args())
    twin.load_state_dict(network.state_dict())
    return twin
