"""What the browser fetches by itself: stored pixels, facts and thumbnails of single films, at signed addresses.

An address names a film by its number in one generation of an index and says whether identifiers may be
shown. The key is made anew with every process: only addresses that this server handed out are answered.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from cxrdash.errors import CxrdashError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from cxrdash.index.draw import DrawnImage
    from cxrdash.index.store import Index

WHAT = ("pixels", "facts", "thumb")
NAMES = {False: "named", True: "hidden"}  # whether identifiers are hidden
AT_ONCE = 2  # films decoded side by side; the largest takes some hundred megabytes on its way
_KEY = secrets.token_bytes(32)
_decoding = threading.BoundedSemaphore(AT_ONCE)

GUARDED = {
    "Cache-Control": "private, max-age=3600",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Pixels hardly shrink, and packing 15 megabytes takes longer than sending them on one machine.
UNPACKED = {"Content-Encoding": "identity"}


def film_url(index: Index, image: int, what: str, *, hidden: bool) -> str:
    """Return the address of a film's pixels, facts or thumbnail, relative to any page of the app."""
    place = (what, index.dataset, index.generation, str(image), NAMES[hidden])
    return "/".join(("cxr-film", *(quote(part, safe="") for part in place), _signature(*place)))


def _signature(*place: str) -> str:
    return hmac.new(_KEY, "\0".join(place).encode(), hashlib.sha256).hexdigest()[:32]


def answer(request: Request) -> Response:
    """Answer one request; what was not signed here is not found, whatever it names."""
    *place, signature = str(request.path_params["place"]).split("/")
    if not hmac.compare_digest(_signature(*place).encode(), signature.encode()):
        return Response(status_code=404, headers={"Cache-Control": "no-store"})
    what, dataset, generation, image, names = place
    try:
        index = _opened(dataset, generation)
        return ANSWERS[what](index, int(image), hidden=names == NAMES[True])
    except CxrdashError as fault:
        # Not an error of the request: the film is there to be asked for, and this is what there is to say.
        said = {"message": getattr(fault, "reason", fault.message)}
        said["hint"] = "" if names == NAMES[True] else fault.hint
        return JSONResponse(said, headers={**GUARDED, "Cache-Control": "no-store"})


def _opened(dataset: str, generation: str) -> Index:
    from cxrdash.ui import cache as cached

    index = cached.open_dataset(dataset)
    if index.generation != generation:
        raise CxrdashError("The dataset was indexed anew.", "Reload the page.")
    return index


def _film(index: Index, image: int) -> DrawnImage:
    from cxrdash.index.draw import films

    return films(index, [image])[0]


def _path(index: Index, image: int, *, hidden: bool) -> Path:
    from cxrdash.index.draw import film_path

    try:
        return film_path(index, _film(index, image))
    except CxrdashError as fault:
        if hidden:  # the message names the file, and files are named after patients
            raise CxrdashError("not on disk") from fault
        raise


def _pixels(index: Index, image: int, *, hidden: bool) -> Response:
    from cxrdash.images import workers
    from cxrdash.images.payload import payload
    from cxrdash.index.film_facts import stated_spacing_mm

    path = _path(index, image, hidden=hidden)
    with _decoding:
        film = workers.read(path)
        height, width = film.pixels.shape
        stated = stated_spacing_mm(index, image, width=width, height=height)
        body = payload(film, spacing_mm=stated)
    return Response(body, media_type="application/octet-stream", headers={**GUARDED, **UNPACKED})


def _facts(index: Index, image: int, *, hidden: bool) -> Response:
    from cxrdash.ui.viewer_facts import facts

    return JSONResponse(facts(index, _film(index, image), hidden=hidden), headers=GUARDED)


def _thumb(index: Index, image: int, *, hidden: bool) -> Response:
    from cxrdash.ui import cache as cached

    found = cached.thumbnails(index.dataset).get_many([_path(index, image, hidden=hidden)])[0]
    if found.jpeg is None:
        raise CxrdashError(found.problem or "no picture")
    return Response(found.jpeg, media_type="image/jpeg", headers=GUARDED)


ANSWERS: dict[str, Callable[..., Response]] = dict(zip(WHAT, (_pixels, _facts, _thumb), strict=True))
