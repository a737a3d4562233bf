"""Revenger 2021: a family of convolutional networks for 12, 6, 4, 3 and 2 leads.

Kang and Wen, "A study on several critical problems on arrhythmia detection using varying-
dimensional electrocardiography", Physiol. Meas. 43 (2022) 064007.  The authors' library is
torch-ecg.  With our weights, its networks (0.0.33) return our outputs
(`tests/models/test_against_torch_ecg.py`).

A network consists of a backbone (ResNet-NC-SE, -BS and -BG, TResNet-N, -P and -F, Branched,
Branched-LW), an optional LSTM, an optional attention, the maximum over time and a head of one or
two layers.  This covers the paper's table 5.  Differences from the published networks:

- In evaluation, each record is read whole, as in the authors' `run_model`, and without the padding
  of its batch.  The published networks read padding as signal; in training so do ours.
- TResNets append zeros to a length that is not a multiple of 4, where torch-ecg drops the last
  samples.  They also append zeros to records below 64 samples, and Branched networks below 8.
- In evaluation, batch norms are folded into convolutions (`models.layers`).  This changes the last
  digits only.
- With a head of one layer, torch-ecg also drops a fifth of the logits in training.  Ours does not.
- Dropout takes four decisions from each random number: the same probability, other draws.
- Table 2 of the paper places the attention of the TResNets' third stage elsewhere, and implies a
  reduction of 4 in the first two stages.  The published code ignores both settings, and table 5
  counts the parameters of the network without them.  We follow the code.
"""

from models.revenger2021.backbones import BACKBONES
from models.revenger2021.networks import NETWORKS, Network
from models.revenger2021.recipes import RECIPES

__all__ = ["BACKBONES", "NETWORKS", "RECIPES", "Network"]
