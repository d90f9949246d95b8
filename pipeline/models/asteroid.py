"""asteroid, importable without torchaudio; the parts that we use are re-exported here.

asteroid.losses imports torch_stoi, which imports torchaudio, which needs the CUDA build of torch.
On a machine with CPUs only a stand-in replaces that one loss, which is not used here.
"""

import sys
import types

try:
    import torch_stoi  # noqa: F401
except (ImportError, OSError):
    _stand_in = types.ModuleType("torch_stoi")
    _stand_in.NegSTOILoss = type("NegSTOILoss", (), {})  # type: ignore[attr-defined]
    sys.modules["torch_stoi"] = _stand_in

from asteroid.losses import PITLossWrapper
from asteroid.losses.sdr import PairwiseNegSDR, SingleSrcNegSDR
from asteroid.masknn.norms import GlobLN
from asteroid.models import DPRNNTasNet, DPTNet, SuDORMRFImprovedNet
from asteroid.utils.hub_utils import SR_HASHTABLE, cached_download

__all__ = [
    "SR_HASHTABLE",
    "DPRNNTasNet",
    "DPTNet",
    "GlobLN",
    "PITLossWrapper",
    "PairwiseNegSDR",
    "SingleSrcNegSDR",
    "SuDORMRFImprovedNet",
    "cached_download",
]
