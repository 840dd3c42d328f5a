"""The same scan on a Dask cluster: same rows, also when a worker is killed while it works."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.scan import ScanProgress, scan
from cxrdash.index.store import open_index
from tests.datasets import build
from tests.index.test_scan import many_films

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install -r requirements-cluster.txt")

ROWS = "SELECT * FROM measures ORDER BY image"


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_films(tmp_path_factory.mktemp("cluster"))


def test_a_killed_worker_costs_nothing(cluster: object, folder: Path, tmp_path: Path) -> None:
    here, there = Cache(tmp_path / "here"), Cache(tmp_path / "there")
    for cache in (here, there):
        build(folder, "nih", cache)
    killed: list[int] = []

    def kill(now: ScanProgress) -> None:
        if now.done and not killed:
            killed.append(next(iter(cluster.workers.values())).pid)  # type: ignore[attr-defined]
            os.kill(killed[0], signal.SIGKILL)

    local = scan("nih", here, workers=2)
    spread = scan("nih", there, scheduler=cluster.scheduler_address, tell=kill)  # type: ignore[attr-defined]
    assert killed
    assert spread.measured == local.measured == 320
    assert open_index("nih", there).rows(ROWS) == open_index("nih", here).rows(ROWS)


def test_an_address_without_a_scheduler_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    build(folder, "nih", cache)
    monkeypatch.setattr("cxrdash.index.scan_batches.CONNECT_SECONDS", 1)
    with pytest.raises(CxrdashError, match="No Dask scheduler answers at tcp"):
        scan("nih", cache, scheduler="tcp://127.0.0.1:9")
