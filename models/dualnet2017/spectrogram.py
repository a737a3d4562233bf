"""Inputs of the encoders: windows of a signal, and its log-spectrogram."""

import math

import torch
from torch.nn import functional

WINDOW, STRIDE = 256, 224  # samples: windows overlap by 32
FFT, HOP = 64, 32  # samples; 33 bins of fs / 64
BINS = FFT // 2 + 1
FLOOR = 1e-8  # of magnitudes


def windows(signal: torch.Tensor) -> torch.Tensor:
    """Cut signals (batch, samples) into overlapping windows (batch, windows, 256).

    The windows cover all samples; the last one is padded with zeros.
    """
    count = max(int(window_count(torch.tensor(signal.shape[1]))), 1)
    covered = STRIDE * (count - 1) + WINDOW
    return functional.pad(signal, (0, covered - signal.shape[1])).unfold(1, WINDOW, STRIDE)


def window_count(length: torch.Tensor) -> torch.Tensor:
    """Compute the number of windows that cover signals of these lengths."""
    overlap = WINDOW - STRIDE
    return torch.div(length - overlap + STRIDE - 1, STRIDE, rounding_mode="floor").clamp(min=1)


def frame_count(length: torch.Tensor) -> torch.Tensor:
    """Compute the number of frames of signals of these lengths: ⌊L / 32⌋ + 1."""
    return torch.div(length, HOP, rounding_mode="floor") + 1


def log_spectrogram(
    signal: torch.Tensor, length: torch.Tensor, *, shortest: int = 1
) -> torch.Tensor:
    """Compute ln(max(|STFT|, `FLOOR`)) of each record, independently of its padding.

    Periodic Hann window of 64, hop 32, centred, with the ends of each record reflected.  Magnitudes
    are divided by the norm of the window, as with torchaudio's `normalized`.

    Parameters
    ----------
    signal : torch.Tensor of shape (batch, samples)
    length : torch.Tensor of shape (batch,)
        Valid samples.
    shortest : int
        Minimum number of frames.

    Returns
    -------
    torch.Tensor of shape (batch, frames, 33)
        Float32.  Padding frames, beyond ⌊L / 32⌋, are ln `FLOOR`.
    """
    counts = frame_count(length)
    frames = max(int(counts.max()), shortest)
    indices = torch.arange(-HOP, HOP * frames, device=signal.device)
    last = length[:, None] - 1
    mirrored = torch.where(indices.abs() > last, 2 * last - indices, indices.abs())
    padded = signal.float().gather(1, mirrored.clamp(min=0).clamp(max=last))
    hann = torch.hann_window(FFT, device=signal.device)
    stft = torch.stft(padded, FFT, HOP, FFT, hann, center=False, return_complex=True)
    logs = stft.abs().div(hann.square().sum().sqrt()).clamp(min=FLOOR).log().transpose(1, 2)
    beyond = torch.arange(frames, device=signal.device) >= counts[:, None]
    return logs.masked_fill(beyond[..., None], math.log(FLOOR))
