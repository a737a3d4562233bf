"""What both encoders read: windows of a signal, and its log-spectrogram; lengths are known."""

import math

import torch
from torch.nn import functional

WINDOW, STRIDE = 256, 224  # samples: windows overlap by 32
FFT, HOP = 64, 32  # samples; 33 bins of fs / 64
BINS = FFT // 2 + 1
SMALLEST = 1e-8  # magnitude


def windows(signal: torch.Tensor) -> torch.Tensor:
    """Cut a batch (batch, samples) into overlapping windows (batch, windows, 256).

    As many as hold each sample once at least; zeros behind the end fill the last one.
    """
    count = max(int(window_count(torch.tensor(signal.shape[1]))), 1)
    wanted = STRIDE * (count - 1) + WINDOW
    return functional.pad(signal, (0, wanted - signal.shape[1])).unfold(1, WINDOW, STRIDE)


def window_count(length: torch.Tensor) -> torch.Tensor:
    """Count the windows that hold something of records so long which the one before does not."""
    overlap = WINDOW - STRIDE
    return torch.div(length - overlap + STRIDE - 1, STRIDE, rounding_mode="floor").clamp(min=1)


def frame_count(length: torch.Tensor) -> torch.Tensor:
    """Count the frames of records so long: ⌊L / 32⌋ + 1."""
    return torch.div(length, HOP, rounding_mode="floor") + 1


def log_spectrogram(
    signal: torch.Tensor, length: torch.Tensor, *, shortest: int = 1
) -> torch.Tensor:
    """Compute ln(max(|STFT|, `SMALLEST`)), each record's as if it were alone.

    Periodic Hann window of 64, hop 32, centred, with each record's own ends reflected; magnitudes
    are divided by the root of the window's squared sum, as torchaudio's `normalized` does.

    Parameters
    ----------
    signal : torch.Tensor of shape (batch, samples)
    length : torch.Tensor of shape (batch,)
        Valid samples.
    shortest : int
        Frames at least.

    Returns
    -------
    torch.Tensor of shape (batch, frames, 33)
        Float32.  Frames beyond a record's last, ⌊L / 32⌋, are ln `SMALLEST`.
    """
    counts = frame_count(length)
    frames = max(int(counts.max()), shortest)
    places = torch.arange(-HOP, HOP * frames, device=signal.device)
    last = length[:, None] - 1
    mirrored = torch.where(places.abs() > last, 2 * last - places, places.abs())
    padded = signal.float().gather(1, mirrored.clamp(min=0).clamp(max=last))
    hann = torch.hann_window(FFT, device=signal.device)
    made = torch.stft(padded, FFT, HOP, FFT, hann, center=False, return_complex=True)
    logs = made.abs().div(hann.square().sum().sqrt()).clamp(min=SMALLEST).log().transpose(1, 2)
    beyond = torch.arange(frames, device=signal.device) >= counts[:, None]
    return logs.masked_fill(beyond[..., None], math.log(SMALLEST))
