"""asteroid, importable where torchaudio is not: what we use of it is re-exported here.

asteroid.losses imports torch_stoi, which imports torchaudio, which needs the CUDA build of
torch. A CPU-only machine gets a stand-in for that one loss, which nothing here uses.
"""

import sys
import types

try:
    import torch_stoi  # noqa: F401
except (ImportError, OSError):
    _stand_in = types.ModuleType("torch_stoi")
    _stand_in.NegSTOILoss = type("NegSTOILoss", (), {})  # type: ignore[attr-defined]
    sys.modules["torch_stoi"] = _stand_in

from asteroid.losses import (
    PITLossWrapper,
    pairwise_neg_sisdr,
    singlesrc_neg_sisdr,
    singlesrc_neg_snr,
)
from asteroid.models import DPRNNTasNet, SuDORMRFImprovedNet
from asteroid.utils.hub_utils import SR_HASHTABLE, cached_download

__all__ = [
    "SR_HASHTABLE",
    "DPRNNTasNet",
    "PITLossWrapper",
    "SuDORMRFImprovedNet",
    "cached_download",
    "pairwise_neg_sisdr",
    "singlesrc_neg_sisdr",
    "singlesrc_neg_snr",
]
