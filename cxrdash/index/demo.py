"""The demo dataset, drawn where it is missing, and indexed."""

from __future__ import annotations

from cxrdash.config import Cache
from cxrdash.demo import write_demo
from cxrdash.index.build import LoadAudit, Progress, Request, build_index, silent

NAME = "demo"
DRAWING = 0.85  # of the time goes into drawing films


def build_demo(cache: Cache, *, progress: Progress = silent) -> LoadAudit:
    """Make and index the demo; raises BuildRunning where another process is doing so."""
    folder = write_demo(cache.demo, progress=lambda share, step: progress(share * DRAWING, step))
    return build_index(
        Request(folder, name=NAME, source="demo"),
        cache,
        progress=lambda share, step: progress(DRAWING + share * (1 - DRAWING), step),
    )
