"""DualNet 2017: one lead, read as a signal and as a spectrogram; four exclusive classes.

Reich and Kruk, "ECG-DualNet: Atrial fibrillation classification", TU Darmstadt 2021, with the
public code that its table was made with.  Ours and the published differ, by the eighteen faults of
that code; a star marks what the recipes `…-as-published` keep:

| # | published | ours |
| --- | --- | --- |
| 1* | augments, then standardises, so that amplify and wander do nothing | standardises first |
| 2*, 3* | warp fades a record, and stretches it without being asked | a warp by 0 is the identity |
| 4 | cutout and drop write into the stored record | `training.augment_single` works on copies |
| 5 | workers share their random numbers | each step has its own generator |
| 6* | axial attention: content never meets content | Wang's (`attention`) |
| 7* | conditional norm: a latent vector of 0 switches it off | 1 + Δγ (`blocks`) |
| 8* | zeros behind a record are read as signal | masks, the last window, batches by length |
| 9–11 | Icentia11k: rates, seeds, labels of crops | not of this package |
| 12* | the loss is a quarter of the printed one | the printed one (`models.losses`) |
| 13 | validation's loss takes softmax twice | none is taken: the score chooses |
| 14 | two classes: their augmentation is not used | it is (`dualnet-two-classes`) |
| 15 | the best epoch of the reported records | a part of the training records chooses |
| 16 | in print alone | – |
| 17* | the band-pass starts from rest | from the steady state of a record's first sample |
| 18* | records end at 60 s, windows at 59.8 s | they end where they end |

Also ours: the network returns logits in evaluation too; a branch that an ablation leaves out has no
parameters; a record is standardised by its n, not n - 1; batches are of like lengths, also where
they are padded as published; classes are in the Challenge's order, N, A, O, ~.  Positions of
windows and of attentions are learned up to 60 s; beyond, the last one is shared.
"""

from models.dualnet2017.networks import NETWORKS, Network
from models.dualnet2017.recipes import RECIPES
from models.dualnet2017.steps import TRANSFORMS

__all__ = ["NETWORKS", "RECIPES", "TRANSFORMS", "Network"]
