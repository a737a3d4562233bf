"""The network: a backbone, perhaps an LSTM, perhaps an attention, the maximum over time, a head."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from ecg import LeadwiseError
from models.layers import ByLength, Dropout, SqueezeExcitation
from models.revenger2021.backbones import BACKBONES, GlobalContext, LeadWise

UNITS = 192  # of the LSTM, each way
HIDDEN = 1024  # of the head of two layers
DROPOUT = 0.2  # between the LSTM's layers, and the head's

ATTENTIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "se": SqueezeExcitation,
    "gc": GlobalContext,
}


class Network(ByLength):
    """A backbone and what follows it; logits for each class.

    The published networks learned records that were padded to 10 s, as this one does.

    Parameters
    ----------
    rows : int
        Rows of the input: leads times kinds of rows.
    classes : int
        Logits.
    backbone : str
        Of `BACKBONES`.
    lstm : bool
        Whether two bidirectional layers follow.
    attention : str
        Of `ATTENTIONS`; comes next.
    linear : int
        Layers of the head, 1 or 2.
    lead_width : int, optional
        Channels a lead in the first block of `branched-lw`: 16 keeps those of the 12-lead network
        (16, 32 and 64) for fewer leads; by default as published.
    width_divisor : int
        All widths are divided by it, for small trials.

    Raises
    ------
    LeadwiseError
        A part is unknown; the known ones are listed.
    """

    def __init__(
        self,
        rows: int,
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
        self.backbone = BACKBONES[backbone](rows, width_divisor=width_divisor, **options)
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
        """Give the last convolutional map (batch, channels, steps) and its valid steps (batch,).

        All of the signal is taken as valid; where it is too short for the backbone, or does not
        fold, zeros are put behind it.
        """
        multiple, shortest = int(self.backbone.multiple), int(self.backbone.shortest)  # type: ignore[arg-type]  # as above
        samples = signal.shape[2]
        wanted = -(-max(samples, shortest) // multiple) * multiple
        hidden = functional.pad(signal, (0, wanted - samples))[:, :, None]
        features = self.backbone(hidden.contiguous(memory_format=torch.channels_last))[:, :, 0]
        return features, torch.full_like(length, features.shape[2])

    def backbone_of(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Give the weights, by name, of the backbone of a network that reads these of the rows.

        Kang & Wen 2022 name this reuse and leave it undone.  On the rows as this network reads them
        the backbone makes of each what it makes of it here.

        Raises
        ------
        LeadwiseError
            The backbone mixes leads.
        """
        if not isinstance(self.backbone, LeadWise):
            raise LeadwiseError(
                "a backbone that mixes leads cannot be reused for fewer; 'branched-lw' can"
            )
        return {f"backbone.{name}": one for name, one in self.backbone.of_rows(rows).items()}

    def forward_head(self, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, steps) to logits (batch, classes); all steps are valid."""
        if self.lstm is not None:
            features = self.lstm(features.transpose(1, 2))[0].transpose(1, 2)
        strongest = self.attention(features[:, :, None])[:, :, 0].max(2).values  # (batch, width)
        logits: torch.Tensor = self.head(strongest)
        return logits


def _check(what: str, name: object, known: object) -> None:
    if name not in known:  # type: ignore[operator]  # dicts and tuples
        listed = ", ".join(str(one) for one in known)  # type: ignore[attr-defined]  # as above
        raise LeadwiseError(f"no {what} '{name}'; known are {listed}")


NETWORKS = {"crnn": Network}
