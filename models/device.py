"""The device and the precision of computations."""

import torch

from ecg import LeadwiseError


def device_of(name: str | None) -> torch.device:
    """Choose the device: as asked, else a GPU if there is one, else the CPU.

    Parameters
    ----------
    name : str, optional
        `cpu`, `cuda`, `cuda:1` …

    Raises
    ------
    LeadwiseError
        There is no such device.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise LeadwiseError(f"device {name} cannot be used: {error}") from error
    return device


def precision_of(precision: str | None, device: torch.device) -> str:
    """Choose the precision of training steps: as asked, else bfloat16 on a GPU that supports it.

    On a CPU bfloat16 must be asked for: it is faster on a processor that supports it (AVX-512 BF16,
    AMX) and much slower on others.
    """
    cuda = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision or ("bfloat16" if cuda else "float32")
