"""The eight convolutional backbones; inputs are (batch, channels, 1, samples), channels last.

Each has five attributes: `width` is the number of its output channels, `shortest` the minimum
number of samples, and the number of samples must be a multiple of `multiple`.  The network appends
zeros to other signals.  `stride` is the number of samples per output step, and `first` the sample
at the centre of the first step.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from models.layers import Attention, Convolution, Dropout, SqueezeExcitation

REDUCTION = 4  # of the global context


class GlobalContext(Attention):
    """Scale channels by a context from attention over time; Cao et al. 2019, "mul"."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(width // REDUCTION, 1)
        self.attend = nn.Linear(width, 1)
        self.squeeze = nn.Linear(width, inner)
        self.norm = nn.LayerNorm(inner)
        self.excite = nn.Linear(inner, width)

    def scale(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, width, 1, steps) to (batch, width, 1, 1)."""
        steps = signal[:, :, 0].transpose(1, 2)  # (batch, steps, width)
        weights = self.attend(steps).softmax(1)
        context = (weights.transpose(1, 2) @ steps)[:, 0]
        squeezed = functional.relu(self.norm(self.squeeze(context)))
        return torch.sigmoid(self.excite(squeezed))[:, :, None, None]


class Blur(nn.Module):
    """Halve the rate after a binomial low-pass with reflected ends; Zhang 2019."""

    taps: torch.Tensor

    def __init__(self, width: int, taps: tuple[int, ...]) -> None:
        super().__init__()
        weights = torch.tensor(taps) / sum(taps)
        self.reach = len(taps) // 2
        self.register_buffer("taps", weights.repeat(width, 1, 1, 1), persistent=False)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, width, 1, steps) to (batch, width, 1, ceil(steps / 2))."""
        padded = functional.pad(signal, (self.reach, self.reach, 0, 0), mode="reflect")
        return functional.conv2d(padded, self.taps, stride=(1, 2), groups=len(self.taps))


class Residual(nn.Module):
    """Residual block: convolutions and attention, sum with the shortcut, activation, dropout.

    All convolutions but the last have an activation of their own.
    """

    def __init__(
        self,
        shortcut: nn.Module,
        convolutions: list[nn.Module],
        attention: Attention | None,
        activation: nn.Module,
        dropout: float,
    ) -> None:
        super().__init__()
        self.shortcut = shortcut
        rest = [layer for convolution in convolutions[1:]
                for layer in (Dropout(dropout), convolution)]  # fmt: skip
        self.body = nn.Sequential(convolutions[0], *rest)
        self.attention = attention
        self.end = nn.Sequential(activation, Dropout(dropout))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, width, 1, fewer steps)."""
        shortcut, hidden = self.shortcut(signal), self.body(signal)
        if self.attention is None:
            summed = hidden + shortcut
        else:
            summed = torch.addcmul(shortcut, hidden, self.attention.scale(hidden))
        output: torch.Tensor = self.end(summed)
        return output


def kaiming(module: nn.Module) -> nn.Module:
    """Initialise the weights of all convolutions by fan-in, as He et al. 2015."""
    for layer in module.modules():
        if isinstance(layer, Convolution):
            nn.init.kaiming_normal_(layer.weight)
    return module


class ResNet(nn.Sequential):
    """A stem and four residual blocks of stride 4; after Ribeiro et al. 2020.

    Parameters
    ----------
    in_channels : int
    attention : type of Attention
        At the end of each block.
    bottleneck : bool
        Whether blocks have three convolutions, the outer ones of kernel 1, and four times the
        width.
    width_divisor : int
        Divides all widths.
    """

    KERNEL, STRIDE, DROPOUT = 17, 4, 0.2
    multiple = shortest = 1
    first, stride = 0.0, 4**4

    def __init__(
        self,
        in_channels: int,
        *,
        attention: type[Attention],
        bottleneck: bool,
        width_divisor: int = 1,
    ) -> None:
        base, kernel, stride = 64 // width_divisor, self.KERNEL, self.STRIDE
        relu = nn.ReLU(inplace=True)
        stem = Convolution(in_channels, base, kernel, bias=True, activation=relu)
        layers: list[nn.Module] = [stem]
        channels = base
        for neck in (2 * base, 3 * base, 4 * base, 5 * base):
            width = 4 * neck if bottleneck else neck
            convolutions = (
                [
                    Convolution(channels, neck, 1, activation=relu),
                    Convolution(neck, neck, kernel, stride=stride, activation=relu),
                    Convolution(neck, width, 1),
                ]
                if bottleneck
                else [
                    Convolution(channels, width, kernel, stride=stride, activation=relu),
                    Convolution(width, width, kernel),
                ]
            )
            shortcut = Convolution(channels, width, 1, stride=stride)
            body = [kaiming(convolution) for convolution in convolutions]
            layers.append(Residual(shortcut, body, attention(width), relu, self.DROPOUT))
            channels = width
        super().__init__(*layers)
        self.width = channels


class SpaceToDepth(nn.Module):
    """Fold time into channels: sample 4t + i of channel c goes to channel i · channels + c."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, 1, samples) to (batch, 4 · channels, 1, samples / 4)."""
        batch, channels, _, samples = signal.shape
        folded = signal.view(batch, channels, 1, samples // 4, 4).permute(0, 4, 1, 2, 3)
        folded = folded.reshape(batch, 4 * channels, 1, samples // 4)
        return folded.contiguous(memory_format=torch.channels_last)


class TResNet(nn.Sequential):
    """Space-to-depth, two stages of basic blocks, two of bottlenecks; after Ridnik et al. 2021.

    Parameters
    ----------
    in_channels, base, kernel, blocks : int
        Input channels; channels of the first stage; taps of the long convolutions; blocks per
        stage.
    separable : bool
        Whether long convolutions are depthwise separable, with a stride (F).  Otherwise those that
        halve the rate are followed by a blur (N and P).
    width_divisor : int
        Divides all widths.
    """

    multiple, shortest = 4, 64  # a blur of 7 taps needs four steps of the third stage
    first, stride = 1.5, 4 * 2**3

    def __init__(
        self,
        in_channels: int,
        *,
        base: int,
        kernel: int,
        blocks: int,
        separable: bool,
        width_divisor: int = 1,
    ) -> None:
        base //= width_divisor
        self.kernel, self.separable = kernel, separable
        stem = Convolution(4 * in_channels, base, 1, bias=True)
        layers: list[nn.Module] = [SpaceToDepth(), stem]
        channels = base
        for stage, width in enumerate((base, 2 * base, 16 * base, 32 * base)):
            for block in range(blocks):
                halve = stage > 0 and block == 0
                layers.append(self._block(stage, channels, width, halve=halve))
                channels = width
        super().__init__(*layers)
        self.width = channels

    def _block(self, stage: int, channels: int, width: int, *, halve: bool) -> nn.Module:
        shortcut: nn.Module = nn.Identity()
        leaky = nn.LeakyReLU(inplace=True)
        if halve:
            shortcut = nn.Sequential(
                Blur(channels, (1, 6, 15, 20, 15, 6, 1)), Convolution(channels, width, 1)
            )
        if stage < 2:
            convolutions = [
                self._long(channels, width, halve=halve, activation=leaky),
                self._long(width, width),
            ]
        else:
            neck = width // 4
            convolutions = [
                self._short(channels, neck, activation=leaky),
                self._long(neck, neck, halve=halve, activation=leaky),
                self._short(neck, width),
            ]
        attention = SqueezeExcitation(width) if stage < 3 else None
        return Residual(shortcut, convolutions, attention, leaky, 0.0)

    def _short(
        self, channels: int, width: int, *, activation: nn.Module | None = None
    ) -> nn.Module:
        convolution = Convolution(channels, width, 1, activation=activation)
        return kaiming(convolution) if self.separable else convolution

    def _long(
        self,
        channels: int,
        width: int,
        *,
        halve: bool = False,
        activation: nn.Module | None = None,
    ) -> nn.Module:
        kernel, stride = self.kernel, 2 if halve else 1
        if self.separable:
            depthwise = Convolution(
                channels, channels, kernel, stride=stride, groups=channels, norm=False
            )
            pointwise = Convolution(channels, width, 1, activation=activation)
            return kaiming(nn.Sequential(depthwise, pointwise))
        blur = Blur(width, (1, 2, 1)) if halve else None
        return Convolution(channels, width, kernel, blur=blur, activation=activation)


DILATIONS = (  # of each convolution of the three blocks of a branch
    ((1,), (1, 1), (1, 1, 1)),
    ((2,), (2, 4), (8, 8, 8)),
    ((4,), (4, 8), (16, 32, 64)),
)
KERNELS = (11, 7, 5)  # of each block
DROPOUTS = (0.0, 0.2, 0.0)  # after each block


class Branches(nn.Module):
    """Three branches of three blocks, with small, medium and large dilations; Cai and Hu 2020.

    Parameters
    ----------
    in_channels, base : int
        Input channels; channels of the first block of a branch, of which the second and third have
        two and four times as many.
    leads : int
        Number of groups if convolutions do not mix leads, which adds group norms before
        activations; 0 to mix leads.
    width_divisor : int
        Divides all widths.
    """

    multiple, shortest = 1, 8
    first, stride = 3.5, 2**3

    def __init__(
        self, in_channels: int, *, base: int = 96, leads: int = 0, width_divisor: int = 1
    ) -> None:
        super().__init__()
        base //= width_divisor
        self.branches = nn.ModuleList(
            _branch(in_channels, base, leads, dilations) for dilations in DILATIONS
        )
        self.width = len(DILATIONS) * 2 ** (len(KERNELS) - 1) * base

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, 1, samples) to (batch, width, 1, floor(samples / 8))."""
        return torch.cat([branch(signal) for branch in self.branches], dim=1)


class LeadWise(Branches):
    """Branches that do not mix leads: each input channel has its own weights.

    Parameters
    ----------
    lead_width : int, optional
        Channels per lead in the first block of a branch; by default as published.
    """

    def __init__(
        self, leads: int, *, lead_width: int | None = None, width_divisor: int = 1
    ) -> None:
        each = (lead_width or LEAD_WIDTHS.get(leads, LEAD_WIDTHS[12])) // width_divisor
        super().__init__(leads, base=leads * each, leads=leads)
        self.leads = leads

    def weights_of(self, leads: Sequence[int]) -> dict[str, torch.Tensor]:
        """Copy the weights of these leads (indices of input channels), in this order.

        Each weight belongs to one lead and each tensor is ordered by lead, so the copies form a
        complete backbone for these leads, with the same number of channels per lead (`lead_width`).
        """
        return {
            name: value.unflatten(0, (self.leads, -1))[list(leads)].flatten(0, 1)
            if value.ndim
            else value.clone()  # number of batches that batch norm has seen
            for name, value in self.state_dict().items()
        }


def _branch(
    channels: int, base: int, leads: int, dilations: tuple[tuple[int, ...], ...]
) -> nn.Sequential:
    """Make a branch: each block has convolutions, a batch norm and a max pooling by 2."""
    layers: list[nn.Module] = []
    for block, kernel in enumerate(KERNELS):
        width = base * 2**block
        for dilation in dilations[block]:
            relu = nn.ReLU(inplace=True)
            convolution = Convolution(
                channels, width, kernel, dilation=dilation, groups=leads or 1, bias=True,
                norm=False, activation=None if leads else relu,
            )  # fmt: skip
            layers.append(kaiming(convolution))
            if leads:
                layers += [nn.GroupNorm(leads, width), relu]
            channels = width
        layers += [nn.BatchNorm2d(width), nn.MaxPool2d((1, 2)), Dropout(DROPOUTS[block])]
    return nn.Sequential(*layers)


# Channels per lead in the first block of a branch, by leads: 192, 144, 96, 96 and 64 in total.
LEAD_WIDTHS = {12: 16, 6: 24, 4: 24, 3: 32, 2: 32}

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "nc-se": partial(ResNet, attention=SqueezeExcitation, bottleneck=False),
    "nc-bs": partial(ResNet, attention=SqueezeExcitation, bottleneck=True),
    "nc-bg": partial(ResNet, attention=GlobalContext, bottleneck=True),
    "tresnet-n": partial(TResNet, base=56, kernel=15, blocks=2, separable=False),
    "tresnet-p": partial(TResNet, base=56, kernel=17, blocks=1, separable=False),
    "tresnet-f": partial(TResNet, base=32, kernel=17, blocks=1, separable=True),
    "branched": Branches,
    "branched-lw": LeadWise,
}
