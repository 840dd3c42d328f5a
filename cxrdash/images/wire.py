"""Messages between the app and its decoding processes: a JSON head and raw bytes, never pickled objects.

What comes back from a process that decoded a hostile file is data to be checked: sizes are capped,
types of arrays are from a list, and nothing in a message can name code.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from cxrdash.images.film import MAX_PIXELS, Film, Lookup, Pixels, Window

HEAD = struct.Struct("!I")
MAX_HEAD_BYTES = 2**20
MAX_BODY_BYTES = 8 * MAX_PIXELS
DTYPES = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"})

Buffer = bytes | bytearray | memoryview


class BadMessage(ValueError):
    """A message that is not as this module writes them."""


def send(line: socket.socket, head: dict[str, Any], *buffers: Buffer) -> None:
    """Send a head and the buffers that belong to it."""
    sizes = [memoryview(buffer).nbytes for buffer in buffers]
    text = json.dumps({**head, "sizes": sizes}).encode()
    line.sendall(HEAD.pack(len(text)) + text)
    for buffer in buffers:
        line.sendall(buffer)


def receive(line: socket.socket, until: float | None = None) -> tuple[dict[str, Any], list[bytearray]]:
    """Return the next message.

    ``until`` is on the monotonic clock. Raises ``TimeoutError`` then, ``EOFError`` where the other end
    is gone, ``BadMessage`` for what no end of ours would send.
    """
    size = HEAD.unpack(_exactly(line, HEAD.size, until))[0]
    if size > MAX_HEAD_BYTES:
        raise BadMessage(f"a head of {size:,} bytes")
    try:
        head = json.loads(_exactly(line, size, until))
        sizes = [int(number) for number in head.pop("sizes")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise BadMessage("a head that is no message") from fault
    if not isinstance(head.get("log", []), list):
        raise BadMessage("a log that is none")
    if any(number < 0 for number in sizes) or sum(sizes) > MAX_BODY_BYTES:
        raise BadMessage(f"a body of {sum(sizes):,} bytes")
    return head, [_exactly(line, number, until) for number in sizes]


def _exactly(line: socket.socket, size: int, until: float | None) -> bytearray:
    held = bytearray(size)
    rest = memoryview(held)
    while rest:
        line.settimeout(None if until is None else max(1e-3, until - time.monotonic()))
        got = line.recv_into(rest)
        if not got:
            raise EOFError("the other end is gone")
        rest = rest[got:]
        if rest and until is not None and time.monotonic() > until:
            raise TimeoutError
    return held


def film_message(film: Film) -> tuple[dict[str, Any], list[Buffer]]:
    """Return the head and buffers that ``film_from`` makes the same film of."""
    tables = [film.modality, *film.lookups]
    arrays = [_native(values) for values in (film.pixels, *(t.values for t in tables if t))]
    head = {
        **{name: getattr(film, name) for name in PLAIN},
        "spread": film.spread and asdict(film.spread),
        "windows": [asdict(window) for window in film.windows],
        "tables": [t and {"first": t.first, "bits": t.bits, "explanation": t.explanation} for t in tables],
        "arrays": [{"dtype": array.dtype.name, "shape": array.shape} for array in arrays],
    }
    return {"film": head}, [array.reshape(-1).view(np.uint8).data for array in arrays]


PLAIN = (
    "stored_mode", "bits", "width", "height", "inverted", "slope", "intercept", "spacing_mm", "spacing_kind",
)  # fmt: skip


def _native(values: Pixels) -> Pixels:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def film_from(head: dict[str, Any], buffers: list[bytearray]) -> Film:
    """Return the film of a message; raises ``BadMessage``."""
    try:
        told = head["film"]
        arrays = [_array(form, held) for form, held in zip(told["arrays"], buffers, strict=True)]
        if arrays[0].ndim != 2:
            raise BadMessage("pixels that are no picture")
        values = iter(arrays[1:])
        tables = [None if form is None else Lookup(values=next(values), **form) for form in told["tables"]]
        plain = {name: told[name] for name in PLAIN}
        plain["spacing_mm"] = tuple(plain["spacing_mm"]) if plain["spacing_mm"] else None
        return Film(
            pixels=arrays[0],
            modality=tables[0],
            lookups=tuple(table for table in tables[1:] if table),
            windows=tuple(Window(**form) for form in told["windows"]),
            spread=Window(**told["spread"]) if told["spread"] else None,
            **plain,
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration) as fault:
        raise BadMessage("a film that is none") from fault


def _array(form: dict[str, Any], held: bytearray) -> Pixels:
    shape = [int(length) for length in form["shape"]]
    if form["dtype"] not in DTYPES or any(length < 0 for length in shape):
        raise BadMessage("an array of an unknown kind")
    kind = np.dtype(form["dtype"])
    if math.prod(shape) * kind.itemsize != len(held):
        raise BadMessage("an array of another size than it says")
    return np.frombuffer(held, kind).reshape(shape)
