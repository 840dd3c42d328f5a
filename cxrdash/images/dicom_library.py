"""pydicom with its decoders, imported so that nothing beside the working directory can break it.

Import it from here: ``from cxrdash.images.dicom_library import pydicom``. The decoder GDCM tries
``import dl``, a module of Python 2, and takes any folder of that name on the path for it.
"""

from __future__ import annotations

import contextlib
import importlib
import sys

OF_PYTHON_2 = ("dl", "DLFCN")


def _import_gdcm() -> None:
    hidden = [name for name in OF_PYTHON_2 if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not to be found
    try:
        with contextlib.suppress(ImportError):
            importlib.import_module("gdcm")
    finally:
        for name in hidden:
            del sys.modules[name]


_import_gdcm()

import pydicom  # noqa: E402 - only once gdcm is in

__all__ = ["pydicom"]
