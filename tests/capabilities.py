"""Linux: file modes that count for this thread also where the tests run as root, who may override them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3 of linux/capability.h
OVERRIDES = (1, 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def without_overrides() -> Iterator[None]:
    """Lay the rights over file modes down for a while; does nothing where the system has no capabilities."""
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(VERSION, 0), (_Set * 2)()
    if libc.capget(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capget")
    before = sets[0].effective
    sets[0].effective = before & ~sum(1 << capability for capability in OVERRIDES)
    _set(libc, header, sets)
    try:
        yield
    finally:
        sets[0].effective = before
        _set(libc, header, sets)


def _set(libc: ctypes.CDLL, header: _Header, sets: ctypes.Array[_Set]) -> None:
    if libc.capset(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capset")
