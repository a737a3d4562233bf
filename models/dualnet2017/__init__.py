"""DualNet 2017: a signal encoder and a spectrogram encoder for one lead; four exclusive classes.

Reich and Kruk, "ECG-DualNet: Atrial fibrillation classification", TU Darmstadt 2021, with the
public code that produced its tables.  The table lists the eighteen errors of that code.  A star
marks those that the recipes `…-as-published` reproduce:

| # | published | ours |
| --- | --- | --- |
| 1* | standardises after augmentation: amplify and wander have no effect | standardises before |
| 2*, 3* | warp fades a record, and stretches it at strength 0 | a warp by 0 is the identity |
| 4 | cutout and sample dropout overwrite the stored record | augmentations work on copies |
| 5 | data loader workers share random numbers | each training step has its own generator |
| 6* | axial attention has no content-content term | that of Wang et al. (`attention`) |
| 7* | conditional norm: a latent vector of 0 gives 0 | scale 1 + Δγ (`blocks`) |
| 8* | padding is read as signal | masks; the last window; batches by length |
| 9–11 | Icentia11k: rates, seeds, labels of crops | not in this package |
| 12* | the loss is a quarter of the printed one | the printed one (`models.losses`) |
| 13 | the validation loss applies softmax twice | the validation score chooses the epoch |
| 14* | two classes: the augmentation has probability 0.2 | 0.4, as in the text |
| 15 | the epoch is chosen on the test records | it is chosen on validation records |
| 16 | in the text only | – |
| 17* | the band-pass starts from zero | from the steady state of the first sample |
| 18* | records end at 60 s, windows at 59.8 s | the whole record is used |

Other differences: the network also returns logits in evaluation.  Ablated branches have no
parameters.  Records are standardised with n, not n - 1.  Batches contain records of similar length,
even where they are padded as published.  Classes have the Challenge's order N, A, O, ~.  Positions
of windows and of attention are learned up to 60 s; later ones share the last position.
`dualnet-house-rhythm` also reads numbers of the RR intervals (`models.facts`).
"""

from models.dualnet2017.networks import NETWORKS, Network
from models.dualnet2017.recipes import RECIPES
from models.dualnet2017.transforms import TRANSFORMS

__all__ = ["NETWORKS", "RECIPES", "TRANSFORMS", "Network"]
