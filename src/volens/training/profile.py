"""The profile of this machine: within one, equal inputs give equal bytes.

Sums of floating-point numbers depend on their order, and so on the instruction set, the number of
threads and the versions of the libraries. What is the same here stands in a run's recipe.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from types import ModuleType

from volens.core.errors import InvalidInput, Unavailable


def the_torch() -> ModuleType:
    """Return torch, set up so that equal inputs give equal bytes.

    Raises:
        Unavailable: ``training_missing`` if it is not installed.
    """
    try:
        import torch  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        hint = "pip install 'volens[training]'"
        raise Unavailable("training_missing", "training is not installed", hint=hint) from None
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    return torch


def current_profile() -> str:
    """Return the profile of this process, as a recipe names it.

    Raises:
        Unavailable: ``training_missing``.
    """
    torch = the_torch()
    level = torch.backends.cpu.get_cpu_capability().lower()
    others = " ".join(f"{name} {version(name)}" for name in ("transformers", "numpy"))
    return f"{platform.machine()} {level} torch {torch.__version__} {others} threads 1"


def require_profile(profile: str) -> None:
    """Pass if bytes made under `profile` can be made here.

    Raises:
        InvalidInput: ``profile_differs``.
        Unavailable: ``training_missing``.
    """
    here = current_profile()
    if here != profile:
        message = f"the run is of the profile {profile!r}, this machine of {here!r}"
        hint = "equal inputs give equal bytes within one profile only: use a machine of that one"
        raise InvalidInput("profile_differs", message, hint=hint)
