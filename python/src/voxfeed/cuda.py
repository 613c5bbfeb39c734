"""Memory that CUDA copies from without a detour."""

from __future__ import annotations

import warnings
from typing import Any

from .errors import OptionError, VoxfeedWarning
from .lease import Mapping


def pin(memory: Mapping, *, wanted: bool, cudart: Any = None) -> bool:
    """Registers a mapping with CUDA (``cudaHostRegister``), so that ``tensor.to("cuda", non_blocking=True)`` does not wait.

    Parameters
    ----------
    wanted
        Whether somebody asked for it: then it is an error that it cannot be done, else it is left out where there is no CUDA.
    cudart
        CUDA's runtime; default: torch's, where it has a device.

    Returns
    -------
    bool
        Whether it is registered now. It is unregistered before the memory goes.
    """
    cudart = cudart or _cudart()
    if cudart is None:
        if wanted:
            raise OptionError("pin_memory", "there is no CUDA device", "Leave it out, or set it to False")
        return False
    address, size = memory.address, len(memory)
    status = int(cudart.cudaHostRegister(address, size, 0))
    if status != 0:
        what = f"CUDA refused to register {size / 2**20:.0f} MiB (error {status})"
        if wanted:
            raise OptionError("pin_memory", what, "Raise the limit of locked memory (`ulimit -l`), or set it to False")
        warnings.warn(f"{what}: copies to the device will wait for each other", VoxfeedWarning, stacklevel=3)
        return False
    memory.on_unmap = lambda: cudart.cudaHostUnregister(address)
    return True


def fence() -> Any:
    """An event on the current stream: it is over when the copies that were asked for until now are done.

    CUDA copies from registered memory on its own. A batch that nobody holds any more may still be read, so that its slot is given back
    after this. Copies on other streams must be waited for before the batch is let go; `voxfeed.torch.to_device` does that.
    """
    import torch

    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record()
    return event


def _cudart() -> Any:
    try:
        import torch
    except ImportError:
        return None
    return torch.cuda.cudart() if torch.cuda.is_available() else None  # type: ignore[no-untyped-call]
