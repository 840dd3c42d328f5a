"""The app around the pages: their list, the first start, the frame, and faults as messages."""

from __future__ import annotations

import atexit
import gc
import logging
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import streamlit as st

from cxrdash.config import PAGE_TITLES, cache
from cxrdash.errors import CxrdashError
from cxrdash.index import generations
from cxrdash.index.lock import BuildRunning
from cxrdash.ui import controls
from cxrdash.ui.text import safe

ICON = Path(__file__).with_name("icon.svg")
ROOT = Path(__file__).resolve().parents[2]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PageEntry:
    """A page in the menu. The file is ``pages/<name>_page.py``; the link path is ``name``; see also ``PAGE_TITLES``."""

    icon: str
    group: str
    question: str
    default: bool = False


PAGES = {
    "overview": PageEntry(
        ":material/summarize:", "Suitability", "What is this dataset, and what should worry me?", default=True
    ),
    "patients": PageEntry(":material/groups:", "Suitability", "How large is it really?"),
    "prevalence": PageEntry(
        ":material/bar_chart:", "Suitability", "How common is each finding, and according to whom?"
    ),
    "test_set": PageEntry(":material/rule:", "Suitability", "Is the test part large enough?"),
    "cooccurrence": PageEntry(":material/grid_on:", "Labels", "Which labels travel together?"),
    "second_opinion": PageEntry(":material/compare:", "Labels", "How often does another reader disagree?"),
    "label_logic": PageEntry(":material/account_tree:", "Labels", "Do the labels contradict themselves?"),
    "strata": PageEntry(":material/layers:", "Labels", "Does one label hide two diseases?"),
    "gallery": PageEntry(":material/photo_library:", "Images", "What does this label look like?"),
    "review": PageEntry(":material/rate_review:", "Images", "How often is the label wrong?"),
    "image_quality": PageEntry(":material/image_search:", "Images", "Are the pictures sound?"),
    "duplicates": PageEntry(":material/content_copy:", "Images", "Which films are in there twice?"),
    "masks": PageEntry(":material/select_all:", "Images", "Can I trust the annotations?"),
    "splits": PageEntry(":material/call_split:", "Act", "How do I split it without leaking?"),
    "compare": PageEntry(":material/compare_arrows:", "Act", "Which dataset suits me?"),
    "report": PageEntry(":material/description:", "Act", "What do I tell my collaborators?"),
    "query": PageEntry(":material/database:", "Act", "What if my question is not here?"),
}


def page(name: str) -> st.Page:
    """Return a page by name, for links and switches."""
    entry = PAGES[name]
    return st.Page(
        ROOT / "pages" / f"{name}_page.py",
        url_path=name,
        title=PAGE_TITLES[name],
        icon=entry.icon,
        default=entry.default,
        help=entry.question,
    )


def main() -> None:
    """Run the app once: menu, frame, page. A user's error becomes a message, any other one a logged line."""
    embedded = st.context.is_embedded
    st.set_page_config(
        page_title="cxrdash", page_icon=str(ICON), layout="wide",
        initial_sidebar_state="collapsed" if embedded or _presenting() else "expanded",
    )  # fmt: skip
    groups: dict[str, list[st.Page]] = {}
    for name, entry in PAGES.items():
        groups.setdefault(entry.group, []).append(page(name))
    chosen = st.navigation(groups, position="hidden" if embedded else "top")
    try:
        _prepare_demo()
        made = controls.set_up()
        _style(presentation=made.look.presentation)
        _banner(made, chosen.title)
        chosen.run()
    except CxrdashError as fault:
        controls.show_fault(fault)
    _settle()


def _presenting() -> bool:
    return st.query_params.get("present") == "true"


def _prepare_demo() -> None:
    """On a machine without any indexed dataset, make the demo and show how far it is.

    The run goes on from here: after a rerun the choice of the dataset would no longer follow the link.
    """
    if generations.datasets(cache()):
        return
    from cxrdash.index.demo import build_demo

    place = st.empty()
    with place.container():
        st.markdown("## Preparing the demo dataset")
        st.caption(
            "Synthetic films and labels, made once on this machine. Your own data: python -m cxrdash index FOLDER"
        )
        bar, other = st.progress(0.0), st.empty()

    def report(share: float, step: str) -> None:
        bar.progress(min(share, 1.0), text=safe(step))

    while not generations.datasets(cache()):
        try:
            build_demo(cache(), progress=report)
        except BuildRunning:
            other.caption("Another window is preparing it.")
            time.sleep(1)
    place.empty()


def _banner(made: controls.Frame, title: str) -> None:
    """The page's name and the cohort as one sentence above every page, and what must be known of the index."""
    drawn = " :orange-badge[:material/science: Synthetic: drawn films, invented patients]"
    synthetic = drawn if made.index.card.synthetic else ""
    st.markdown(f"**{safe(title)}** · :material/filter_alt: {safe(made.sentence)}{synthetic}")
    if made.index.meta["partial"]:
        st.warning("Rows that could not be read were left out of this index; see the load audit on the Overview.")


def _style(*, presentation: bool) -> None:
    """Tighter space so that the first screen holds the point; larger type for a shared screen."""
    size = "22px" if presentation else "16px"
    st.html(f"""<style>
    html {{ font-size: {size}; }}
    [data-testid="stMainBlockContainer"] {{ padding: 3.4rem 2.6rem 3rem; max-width: 1760px; }}
    [data-testid="stSidebarHeader"] {{ height: 2.2rem; margin: 0; padding-top: .2rem; padding-bottom: 0; }}
    [data-testid="stSidebarUserContent"] {{ padding-top: .6rem; }}
    [data-testid="stMainBlockContainer"] h2 {{ padding: 0 0 .3rem; font-size: 1.7rem; line-height: 1.25; }}
    [data-testid="stMetricValue"] {{ font-size: 1.55rem; font-variant-numeric: tabular-nums; }}
    [data-testid="stMetric"] {{ padding: 0; }}
    [data-testid="stMetric"] > div {{ padding: .5rem .9rem .3rem; }}
    .st-key-verdict [data-testid="stPageLink"] * {{ white-space: normal; overflow: visible; }}
    .st-key-concerns p {{ font-size: .92rem; }}
    .st-key-concerns [data-testid="stMarkdown"] {{ padding: .1rem .5rem; }}
    .st-key-ds [aria-label="Clear value"] {{ display: none; }}
    [data-testid="stSidebarUserContent"] [data-testid="stVerticalBlock"] {{ gap: .5rem; }}
    </style>""")


_settled = threading.Event()


def _settle() -> None:
    """After the first paint, import what later pages need and take it out of the collector's sight.

    Streamlit collects garbage after every run; with pandas and Plotly loaded that holds the interpreter
    for up to a tenth of a second, unless what is loaded for good is frozen.
    """
    if _settled.is_set():
        return
    _settled.set()
    threading.Thread(target=_warm, name="warm-imports", daemon=True).start()


def _warm() -> None:
    for name in ("pandas", "plotly.graph_objects", "scipy.cluster.hierarchy", "scipy.stats"):
        import_module(name)
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # so that what is frozen is released in order at exit
    log.info("warm imports done; %d objects frozen", gc.get_freeze_count())
