"""Revenger 2021: a family of convolutional networks for 12, 6, 4, 3 and 2 leads.

Kang and Wen, "A study on several critical problems on arrhythmia detection using varying-
dimensional electrocardiography", Physiol. Meas. 43 (2022) 064007.  The authors' library is
torch-ecg; given our weights, its networks (0.0.33) return our outputs
(`tests/models/test_against_torch_ecg.py`).

A network is a backbone (ResNet-NC-SE, -BS and -BG, TResNet-N, -P and -F, Branched, Branched-LW), an
LSTM or none, an attention or none, the maximum over time and a head of one or two layers: all of
the paper's table 5.  Where ours and the published differ:

- A batch may mix lengths: in evaluation each is answered apart, as if alone.  The published network
  knows neither lengths nor masks, and takes zeros behind a record as signal; in training so do we.
- A length that is no multiple of 4 gets zeros at its end in TResNets (torch-ecg leaves the last
  samples out), and so does a record shorter than 64 samples there, or 8 in Branched networks.
- While answering, batch norms are folded into convolutions, and long kernels between many channels
  go through the frequency domain on CPU (`models.layers`, `models.spectral`): the last digits.
- Dropout takes four decisions from each random number: the same share, other draws.
- Table 2 of the paper puts the third stage's attention of TResNets elsewhere, and means a reduction
  of 4 in the first two; both stood where the published code did not read them.  We do as the code
  did: table 5's parameters are those of that network.
"""

from models.revenger2021.backbones import BACKBONES
from models.revenger2021.networks import NETWORKS, Network
from models.revenger2021.recipes import RECIPES

__all__ = ["BACKBONES", "NETWORKS", "RECIPES", "Network"]
