"""VinDr's tables of boxes: beside label tables they give boxes, alone (as on Kaggle) also what readers said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cxrdash.sources import vindr
from cxrdash.sources.base import Claim
from cxrdash.sources.headers import Fields, missing_fields
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header
