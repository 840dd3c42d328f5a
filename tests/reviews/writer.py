"""A process that marks and prints the number of each mark once it is acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

from cxrdash.reviews.store import ReviewStore
from tests.reviews.invented import event, session


def main(folder: str, reader: str, count: str) -> None:
    store = ReviewStore(Path(folder))
    store.add_session(session())
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(1, int(count) + 1):
        store.append(event(number, reader=reader))
        print(number, flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
