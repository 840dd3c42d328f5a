"""What a finding is: its name here, its name in the files, and its place in the hierarchy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["finding", "normal", "device"]


@dataclass(frozen=True)
class Finding:
    """One label of a dataset.

    ``name`` is what screens and expressions use, ``source_name`` the spelling in the dataset's files,
    ``parent`` the name of the finding above it (or None), ``harmonised`` the shared vocabulary's term
    (None where no equivalent exists).
    """

    name: str
    source_name: str
    kind: Kind = "finding"
    parent: str | None = None
    harmonised: str | None = None
