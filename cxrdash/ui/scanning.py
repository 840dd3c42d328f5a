"""Before the films have been looked at: what to run, and for small datasets a button that runs it."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

import streamlit as st

from cxrdash.config import READ_ONLY, cache, read_only
from cxrdash.errors import CxrdashError
from cxrdash.index.scan import SMALL_SCAN, ScanProgress, films_to_scan, progress_words, scan
from cxrdash.index.store import Index
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.text import plural, safe

EVERY_SECONDS = 1.0
log = logging.getLogger(__name__)


@dataclass
class Job:
    """A scan that runs in a thread of this server."""

    progress: ScanProgress = field(default_factory=ScanProgress)
    fault: CxrdashError | None = None
    ended: bool = False


_jobs: dict[str, Job] = {}
_lock = threading.Lock()


def start(dataset: str) -> Job:
    """Start a scan of a dataset, unless one runs already in this server, and return it."""
    with _lock:
        job = _jobs.get(dataset)
        if job is None or job.ended:
            job = _jobs[dataset] = Job()
            threading.Thread(target=_run, args=(dataset, job), name=f"scan {dataset}", daemon=True).start()
        return job


def _run(dataset: str, job: Job) -> None:
    def tell(progress: ScanProgress) -> None:
        job.progress = ScanProgress(**vars(progress))

    try:
        scan(dataset, cache(), tell=tell)
    except CxrdashError as fault:
        log.warning("the scan of %s stopped: %s", dataset, fault.message)
        job.fault = fault
    finally:
        job.ended = True


def running(dataset: str) -> bool:
    """Whether a scan of the dataset runs in this server."""
    job = _jobs.get(dataset)
    return job is not None and not job.ended


def offer(now: Frame, *, left: int | None = None) -> None:
    """Say what to run; show a scan that runs, or the button that starts one where the dataset is small.

    ``left`` is how many films are not measured yet, looked up on disk unless given.
    """
    dataset = now.index.dataset
    if running(dataset):
        _watch(dataset)
        return
    job = _jobs.get(dataset)
    if job is not None and job.fault is not None:
        show_fault(job.fault)
    films = _left(now.index) if left is None else left
    text, button = st.columns([5, 2], vertical_alignment="bottom")
    with text:
        st.markdown(f"To look at the pixels of {plural(films, 'film')}, run:")
        st.code(f"python -m cxrdash scan {dataset}", language="bash")
    if not films:
        st.caption("No film of this dataset is on this disk. If they are elsewhere: index again with --images FOLDER.")
    elif films <= SMALL_SCAN:
        why_not = READ_ONLY if read_only() else ""
        if button.button(
            f"Scan {plural(films, 'film')} now",
            type="primary",
            width="stretch",
            disabled=bool(why_not),
            help=why_not or None,
        ):
            start(dataset)
            st.rerun()
    else:
        st.caption("It can be stopped at any time and goes on where it was; use --scheduler for a Dask cluster.")


def _left(index: Index) -> int:
    """Films to look at; a dataset without files need not be asked."""
    return films_to_scan(index, cache()) if index.counts["on_disk"] else 0


@st.fragment(run_every=EVERY_SECONDS)
def _watch(dataset: str) -> None:
    job = _jobs[dataset]
    if job.ended:
        st.rerun(scope="app")
    now = job.progress
    st.progress(now.done / now.of if now.of else 0.0, text=safe(progress_words(now) if now.of else "Looking for films"))
    st.caption("It goes on while you use the app. What is measured is kept, also when the app is stopped.")
