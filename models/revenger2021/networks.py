"""The network: backbone, optional LSTM, optional attention, maximum over time, and head."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from ecg import LeadwiseError
from models.layers import ByLength, Dropout, FeatureMaps, SqueezeExcitation
from models.revenger2021.backbones import BACKBONES, GlobalContext, LeadWise

UNITS = 192  # of the LSTM, per direction
HIDDEN = 1024  # of the head of two layers
DROPOUT = 0.2  # between the LSTM's layers, and the head's

ATTENTIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "se": SqueezeExcitation,
    "gc": GlobalContext,
}


class Network(ByLength):
    """A backbone, optional layers and a head, with one logit per class.

    Like the published networks, it is trained on records padded to 10 s.

    Parameters
    ----------
    in_channels : int
        Leads times derived channels per lead.
    classes : int
        Number of logits.
    backbone : str
        Key of `BACKBONES`.
    lstm : bool
        Whether a bidirectional LSTM of two layers follows the backbone.
    attention : str
        Key of `ATTENTIONS`; follows the LSTM.
    linear : int
        Layers of the head, 1 or 2.
    lead_width : int, optional
        Channels per lead in the first block of `branched-lw`, by default as published.  With 16,
        networks for fewer leads have as many channels per lead as that for 12.
    width_divisor : int
        Divides all widths, for small experiments.

    Raises
    ------
    LeadwiseError
        An option is unknown; the message lists the known ones.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        backbone: str,
        lstm: bool = False,
        attention: str = "none",
        linear: int = 1,
        lead_width: int | None = None,
        width_divisor: int = 1,
    ) -> None:
        super().__init__()
        _check("backbone", backbone, BACKBONES)
        _check("attention", attention, ATTENTIONS)
        _check("number of linear layers", linear, (1, 2))
        if lead_width is not None and backbone != "branched-lw":
            raise LeadwiseError(f"'{backbone}' has no lead_width; 'branched-lw' has one")
        options = {} if lead_width is None else {"lead_width": lead_width}
        self.backbone = BACKBONES[backbone](in_channels, width_divisor=width_divisor, **options)
        width = int(self.backbone.width)  # type: ignore[arg-type]  # an int of every backbone
        self.lstm = None
        if lstm:
            units = UNITS // width_divisor
            self.lstm = nn.LSTM(width, units, num_layers=2, dropout=DROPOUT, bidirectional=True,
                                batch_first=True)  # fmt: skip
            width = 2 * units
        self.attention = ATTENTIONS[attention](width)
        hidden = HIDDEN // width_divisor
        self.head = (
            nn.Sequential(nn.Linear(width, classes))
            if linear == 1
            else nn.Sequential(
                nn.Linear(width, hidden), nn.Mish(), Dropout(DROPOUT), nn.Linear(hidden, classes)
            )
        )

    def forward_features(
        self, signal: torch.Tensor, length: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the backbone's features (batch, channels, steps) and their valid steps (batch,).

        All samples count as valid.  Zeros are appended to signals that are too short for the
        backbone, or whose length is not the required multiple.
        """
        multiple, shortest = int(self.backbone.multiple), int(self.backbone.shortest)  # type: ignore[arg-type]  # as above
        samples = signal.shape[2]
        wanted = -(-max(samples, shortest) // multiple) * multiple
        hidden = functional.pad(signal, (0, wanted - samples))[:, :, None]
        features = self.backbone(hidden.contiguous(memory_format=torch.channels_last))[:, :, 0]
        return features, torch.full_like(length, features.shape[2])

    def feature_maps(self) -> FeatureMaps:
        """Name the backbone's output."""
        return FeatureMaps((self.backbone,), float(self.backbone.first), int(self.backbone.stride))  # type: ignore[arg-type]  # as above

    def backbone_of(self, leads: Sequence[int]) -> dict[str, torch.Tensor]:
        """Copy the backbone's weights, by name, for these leads (indices of input channels).

        Kang & Wen 2022 suggest this reuse for future work.  For the same signal of a lead, both
        backbones compute the same features.

        Raises
        ------
        LeadwiseError
            The backbone mixes leads.
        """
        if not isinstance(self.backbone, LeadWise):
            raise LeadwiseError(
                "a backbone that mixes leads cannot be reused for fewer; 'branched-lw' can"
            )
        weights = self.backbone.weights_of(leads)
        return {f"backbone.{name}": weight for name, weight in weights.items()}

    def forward_head(self, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, steps) to logits (batch, classes); all steps are valid."""
        if self.lstm is not None:
            features = self.lstm(features.transpose(1, 2))[0].transpose(1, 2)
        strongest = self.attention(features[:, :, None])[:, :, 0].max(2).values  # (batch, width)
        logits: torch.Tensor = self.head(strongest)
        return logits


def _check(what: str, name: object, known: object) -> None:
    if name not in known:  # type: ignore[operator]  # dicts and tuples
        listed = ", ".join(map(str, known))  # type: ignore[call-overload]  # as above
        raise LeadwiseError(f"no {what} '{name}'; known are {listed}")


NETWORKS = {"crnn": Network}
