"""Figures that were drawn before: Plotly checks every property it is given, which takes most of a rerun."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import Any

# Few, because every object that is kept is looked at by each collection of garbage.
MOST_FIGURES = 32
_figures: OrderedDict[bytes, Any] = OrderedDict()
_lock = threading.Lock()


def remembered(chart: Callable[..., Any]) -> Callable[..., Any]:
    """Return the chart function with a memory of the figures last drawn, shared by all sessions.

    A figure is given again for the same table and options, so it must not be changed. Where an option
    cannot be written down (a function of its own) the figure is drawn each time.
    """

    @wraps(chart)
    def drawn(*given: Any, **options: Any) -> Any:
        key = _key(chart, given, options)
        if key is None:
            return chart(*given, **options)
        with _lock:
            if key in _figures:
                _figures.move_to_end(key)
                return _figures[key]
        figure = chart(*given, **options)
        with _lock:
            _figures[key] = figure
            while len(_figures) > MOST_FIGURES:
                _figures.popitem(last=False)
        return figure

    return drawn


def _key(chart: Callable[..., Any], given: tuple[Any, ...], options: dict[str, Any]) -> bytes | None:
    try:
        written = pickle.dumps((chart.__module__, chart.__qualname__, given, options), protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None
    return hashlib.sha256(written).digest()
