"""HeartlyAI 2021: waves, beats and diagnosis by one network."""

from models.heartly2021.augment import AUGMENTATIONS
from models.heartly2021.labels import engineered_matrix
from models.heartly2021.losses import LOSSES
from models.heartly2021.network import NETWORKS
from models.heartly2021.recipes import RECIPES
from models.heartly2021.transforms import TRANSFORMS

__all__ = ["AUGMENTATIONS", "LOSSES", "NETWORKS", "RECIPES", "TARGETS", "TRANSFORMS"]

TARGETS = {"heartly": engineered_matrix}
