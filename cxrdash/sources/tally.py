"""An independent count of a table's records and separators, taken while its bytes stream past."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass

BLANK_LINE = re.compile(rb"\n(?=\n)")
BYTE_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Tally:
    """What a file's bytes say: lines that are not blank and commas, both outside quotes.

    The count assumes that quotes come in pairs (RFC 4180); a stray quote makes it wrong, so whoever finds
    a difference asks a real parser before complaining. ``encoding`` is utf-8, utf-16 or '' (neither).
    """

    bytes: int
    lines: int
    commas: int
    has_nul: bool
    encoding: str


class _Counter:
    def __init__(self) -> None:
        self.bytes = self.lines = self.commas = 0
        self.has_nul = False
        self._inside = 0  # 1 while inside quotes
        self._held = b""  # a carriage return whose line feed may be in the next block
        self._at_line_start = True

    def feed(self, block: bytes) -> None:
        self.bytes += len(block)
        self.has_nul = self.has_nul or b"\0" in block
        block = self._held + block
        self._held = b"\r" if block.endswith(b"\r") else b""
        self._count(block[:-1] if self._held else block)

    def finish(self) -> None:
        self._count(self._held.replace(b"\r", b"\n"))
        self.lines += not self._at_line_start

    def _count(self, block: bytes) -> None:
        if b'"' in block:
            parts = block.split(b'"')
            outside = b'"'.join(parts[self._inside :: 2])
            # What stood inside the quotes is gone; a lone quote keeps its line from looking blank.
            outside = b'"' + outside if self._inside or not parts[0] else outside
            self._inside ^= (len(parts) - 1) & 1
            outside += b'"' if self._inside or not parts[-1] else b""
        else:
            outside = b"" if self._inside else block
        if not outside:
            return
        self.commas += outside.count(b",")
        if b"\r" in outside:
            outside = outside.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        blank = len(BLANK_LINE.findall(outside)) if b"\n\n" in outside else 0
        blank += self._at_line_start and outside.startswith(b"\n")
        self.lines += outside.count(b"\n") - blank
        self._at_line_start = outside.endswith(b"\n")


def tally(blocks: Iterable[bytes]) -> Tally:
    """Count over the blocks of a file and test whether they are UTF-8, in one pass."""
    counter = _Counter()
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding = "utf-8"
    for block in blocks:
        if not counter.bytes:
            encoding = BYTE_MARKS.get(block[:2], encoding)
        # Plain ASCII, most of all tables, is told ten times faster than it is decoded.
        if encoding == "utf-8" and (decoder.getstate()[0] or not block.isascii()):
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                encoding = ""
        counter.feed(block)
    counter.finish()
    if encoding == "utf-8" and decoder.getstate()[0]:
        encoding = ""
    return Tally(counter.bytes, counter.lines, counter.commas, counter.has_nul, encoding)
