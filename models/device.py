"""The device and the precision of computations."""

import torch

from ecg import LeadwiseError

KINDS = ("cpu", "cuda", "mps")


def device_of(name: str | None) -> torch.device:
    """Choose the device: the named one, else a GPU if available, else the CPU.

    Parameters
    ----------
    name : str, optional
        `cpu`, `cuda`, `cuda:1`, `mps` …

    Raises
    ------
    LeadwiseError
        The device does not exist or cannot be used.
    """
    kind = (name or "cpu").partition(":")[0]
    if kind not in KINDS:
        raise LeadwiseError(f"no device '{name}'; known are {', '.join(KINDS)}")
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition(". ")[0]  # the rest is for PyTorch's developers
        raise LeadwiseError(
            f"device {name} cannot be used on this machine: {reason}; use --device cpu"
        ) from error
    return device


def precision_of(precision: str | None, device: torch.device) -> str:
    """Choose the precision of training steps: as set, else bfloat16 on a GPU that supports it.

    On a CPU the default is float32: bfloat16 is faster on processors that support it (AVX-512 BF16,
    AMX), but much slower on others.
    """
    cuda = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision or ("bfloat16" if cuda else "float32")
