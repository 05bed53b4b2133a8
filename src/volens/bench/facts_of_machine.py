"""What a figure depends on besides the code: processor, memory, versions, load."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

_PACKAGES = ("cryptography", "numpy", "pyarrow", "sqlalchemy")


def facts_of_machine(*more_packages: str) -> dict[str, str]:
    """Return facts by name, in the order to print them.

    Args:
        more_packages: distributions whose versions matter too; absent ones are said to be absent.
    """
    versions = {name: _version(name) for name in (*_PACKAGES, *more_packages)}
    return {
        "processor": _first_line("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": _first_line("/proc/meminfo", "MemTotal") or "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "openssl of cryptography": backend.openssl_version_text(),
        **versions,
        "load over 1 minute": f"{os.getloadavg()[0]:.1f}",
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _first_line(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
