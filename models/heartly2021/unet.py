"""The U-Net of HeartlyAI 2021: features for wave masks, and a bottleneck for the diagnosis."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from models.layers import Convolution

# Sodmann et al. 2021, table 1 and figure 1: filters per level, each at half the rate of the one
# before.  The decoder has no block at the bottleneck's rate.
ENCODER = (32, 64, 112, 192, 256, 320, 512)
DECODER = (32, 24, 48, 64, 96, 128)
SKIP = 8  # channels of a skip connection, so that features must pass the bottleneck
KERNEL = 5
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"mish": nn.Mish, "silu": nn.SiLU}


class Block(nn.Module):
    """A residual block of two convolutions.

    Number of blocks and norm are not published: one block per level, with batch norm, and a 1 × 1
    convolution as shortcut where the number of channels changes.
    """

    def __init__(self, channels: int, width: int, activation: str) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]()
        self.first = Convolution(channels, width, KERNEL, activation=self.activation)
        self.second = Convolution(width, width, KERNEL)
        same = channels == width
        self.shortcut = nn.Identity() if same else Convolution(channels, width, 1, norm=False)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, width, 1, steps)."""
        hidden: torch.Tensor = self.activation(
            self.second(self.first(signal)) + self.shortcut(signal)
        )
        return hidden


class UNet(nn.Module):
    """Encoder, bottleneck and decoder.

    Parameters
    ----------
    channels : int
        Of the input, one per lead.
    encoder, decoder : sequence of int
        Filters of each level, from the input's rate downwards; the encoder's last one is the
        bottleneck.
    activation : str
        Key of `ACTIVATIONS`.
    """

    def __init__(
        self,
        channels: int,
        encoder: Sequence[int] = ENCODER,
        decoder: Sequence[int] = DECODER,
        activation: str = "mish",
    ) -> None:
        super().__init__()
        self.reduction = 2 ** len(decoder)  # samples per step of the bottleneck
        inputs = (channels, *encoder[:-1])
        self.encoder = nn.ModuleList(
            Block(before, width, activation) for before, width in zip(inputs, encoder, strict=True)
        )
        self.pool = nn.MaxPool2d((1, 2))
        self.skips = nn.ModuleList(
            Convolution(width, SKIP, 1, norm=False) for width in encoder[:-1]
        )
        below = (*decoder[1:], encoder[-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(before, width, (1, 2), (1, 2))
            for before, width in zip(below, decoder, strict=True)
        )
        self.decoder = nn.ModuleList(Block(width + SKIP, width, activation) for width in decoder)

    def encode(self, signal: torch.Tensor) -> list[torch.Tensor]:
        """Map (batch, channels, samples) to the features of each level, (batch, width, 1, steps).

        `samples` is a multiple of `reduction`.
        """
        hidden = signal[:, :, None].contiguous(memory_format=torch.channels_last)
        features = []
        for level, block in enumerate(self.encoder):
            hidden = block(self.pool(hidden) if level else hidden)
            features.append(hidden)
        return features

    def decode(self, encoded: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Map the encoder's features to the decoder's, from the input's rate downwards."""
        hidden, features = encoded[-1], []
        for level in reversed(range(len(self.decoder))):
            skip = self.skips[level](encoded[level])
            hidden = self.decoder[level](torch.cat([self.up[level](hidden), skip], 1))
            features.append(hidden)
        return features[::-1]
