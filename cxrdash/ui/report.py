"""Parts of the report page: the use, the verdict, the stars, the files to hand on."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.errors import CxrdashError
from cxrdash.report.export import FORMATS, Export, command_of
from cxrdash.report.export import export as write_export
from cxrdash.report.forms import Form, written
from cxrdash.report.gather import Question, require_shareable
from cxrdash.report.tables import star_text
from cxrdash.ui import cache as cached
from cxrdash.ui import doors
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.text import number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd

USES = {"train": "Train a model", "test": "Test a model", "external": "Validate one made elsewhere"}
ICONS = {
    "fail": ":material/cancel:",
    "caution": ":material/warning:",
    "not checked": ":material/help:",
    "pass": ":material/check_circle:",
}
# Which page shows what limits a label.
PAGE_OF = {"patients": "test_set", "width": "test_set", "uncertain": "prevalence", "errors": "review",
           "structure": "strata"}  # fmt: skip
FORMS: dict[str, tuple[Form, str, str]] = {
    "Report (HTML)": ("html", "report.html", "text/html"),
    "Report (Markdown)": ("markdown", "report.md", "text/markdown"),
    "Dataset card": ("card", "dataset.card.md", "text/markdown"),
    "Croissant": ("croissant", "croissant.json", "application/ld+json"),
}
EXPORTS = {
    "CSV": "csv",
    "Parquet": "parquet",
    "MONAI": "monai",
    "COCO": "coco",
    "The dataset's own rows (TorchXRayVision)": "txrv",
}
WIDTHS = {"rating": 100, "finding": 190, "limit": 200, "points": 80, "unsure": 110, "doubts": 140, "flags": 420}
ALL_CHECKS_HEIGHT = 300  # pixels: what fits beside the files on the first screen


@dataclass(frozen=True)
class Asked:
    """What the page is asked: the use, the findings that matter, and who may read the files."""

    use: str
    findings: tuple[str, ...]
    shareable: bool

    @property
    def options(self) -> dict[str, Any]:
        return {"use": self.use, **({"findings": self.findings} if self.findings else {})}


@dataclass(frozen=True)
class Found:
    """The tables of the page."""

    audit: pd.DataFrame
    stars: pd.DataFrame
    use: str


def controls(now: Frame) -> Asked:
    """Draw the controls and return what they ask for."""
    left, middle, right = st.columns([5, 4, 2], vertical_alignment="bottom")
    use = left.segmented_control(
        "I want to", list(USES), format_func=USES.__getitem__, default="train", required=True, key="r_use",
        bind="query-params",
    )  # fmt: skip
    names = [finding.name for finding in now.index.findings if finding.kind != "normal"]
    known = set(names)
    kept = [name for name in st.session_state.get("r_findings", []) if name in known]
    if "r_findings" in st.session_state and kept != list(st.session_state["r_findings"]):
        st.session_state["r_findings"] = kept
    findings = middle.multiselect("Findings that matter", names, key="r_findings", bind="query-params",
                                  placeholder="all")  # fmt: skip
    shareable = right.toggle(
        "To be shared", value=not now.index.card.share_freely, key=f"r_share_{now.index.card.share_freely}",
        help="Counts of 1 to 10 and all identifiers are left out of the report. On where the licence forbids sharing.",
    )  # fmt: skip
    return Asked(use or "train", tuple(findings), shareable)


def computed(now: Frame, asked: Asked) -> Found:
    """Compute the audit and the stars; the first time this takes a while."""
    with st.spinner("Checking the dataset", show_time=True):
        audit = now.compute("audit", **asked.options)
        stars = now.compute("stars")
    if asked.findings:
        stars = stars[stars["finding"].isin(asked.findings)]
    return Found(audit, stars.sort_values("stars", ascending=False, kind="stable"), asked.use)


def sentence(found: Found) -> str:
    """Return the headline: the verdict for the use."""
    n = found.audit["severity"].value_counts()
    fails, cautions = int(n.get("fail", 0)), int(n.get("caution", 0))
    use = {"train": "train", "test": "test", "external": "validate"}[found.use]
    if fails:
        return (
            f"Not ready to {use} a model as it is: {plural(fails, 'check')} failed, {number(cautions)} call for caution"
        )
    if cautions:
        return f"Usable to {use} a model with care: no check failed, {number(cautions)} call for caution"
    return f"Nothing measured speaks against using it to {use} a model"


def figures(found: Found) -> list[tuple[str, str, str]]:
    """Return the four key figures: checks by how they ended."""
    n = found.audit["severity"].value_counts()
    meanings = {
        "fail": "What stands in the way of this use.",
        "caution": "What to allow for, or to tell.",
        "not checked": "What nobody has looked at yet.",
        "pass": "What was looked at without a finding.",
    }
    names = {"fail": "Failed", "caution": "Call for caution", "not checked": "Not checked", "pass": "Passed"}
    return [(names[name], number(n.get(name, 0)), meaning) for name, meaning in meanings.items()]


def checks(found: Found) -> None:
    """Every check in a sentence with its number, each a link to the page that shows it."""
    from cxrdash.ui.shell import PAGES, page

    st.markdown("**The verdict, check by check**")
    with st.container(height=ALL_CHECKS_HEIGHT, gap="xxsmall", key="verdict"):
        for row in found.audit.itertuples(index=False):
            words, mark = safe(row.sentence), ICONS[row.severity]
            if row.page in PAGES:
                st.page_link(
                    page(row.page), label=words, icon=mark, query_params={}, help=f"{row.severity}: {row.code}"
                )
            else:
                st.markdown(f"{mark} {words}")
    st.caption(f"{ICONS['fail']} failed · {ICONS['caution']} caution · {ICONS['not checked']} not checked · "
               f"{ICONS['pass']} passed")  # fmt: skip


def stars(now: Frame, found: Found) -> None:
    """Stars of each label, most first: what limits it, its inputs, and the page that shows them."""
    from cxrdash.ui.shell import page

    st.markdown("**Stars of each label:** the smallest of five scores, never an average")
    limited = [str(row.limited_by).split(", ")[0] for row in found.stars.itertuples(index=False)]
    rows = found.stars.assign(
        rating=[star_text(stars) for stars in found.stars["stars"]],
        limit=[text or "nothing" for text in found.stars["limited_by"]],
        doubts=[
            f"{row.wrong + row.doubtful:,} of {row.reviewed:,}" if row.reviewed else "nobody looked"
            for row in found.stars.itertuples(index=False)
        ],
        points=[f"±{100 * width:.1f}" if width < 1 else "–" for width in found.stars["half_width"]],
        unsure=[percent(share) if share == share else "not recorded" for share in found.stars["uncertain_share"]],
    ).reset_index(drop=True)
    key = "r_stars"

    def jump() -> None:
        chosen = st.session_state[key]["selection"]["cells"]
        if not chosen:
            return
        row, column = chosen[0]
        if column == "finding":
            doors.through(doors.narrowing_of(doors.labelled(f'"{rows["finding"].iloc[row]}"')))
        else:
            st.switch_page(page(PAGE_OF.get(limited[row], "strata")), query_params={})

    columns = {
        "rating": "Stars", "finding": "Label", "limit": "Limited by", "positive_patients": "Positive patients",
        "points": "± points", "unsure": "Uncertain", "doubts": "Wrong or doubtful", "flags": "Structure",
    }  # fmt: skip
    st.dataframe(
        rows[list(columns)], key=key, hide_index=True, on_select=jump, selection_mode="single-cell",
        column_config={name: _column(name, title) for name, title in columns.items()},
    )  # fmt: skip
    part = str(rows["part"].iloc[0]) if len(rows) else "not stated"
    where = "the whole dataset" if part == "not stated" else f"the {safe(part)} part"
    st.caption(f"Click a label to see its images, anything else in a row to see what limits it. Positive patients and "
               f"± points (at a sensitivity of 90%) are those of {where}. {safe(now.index.title)}")  # fmt: skip


def _column(name: str, title: str) -> Any:
    if name == "positive_patients":
        return st.column_config.NumberColumn(title, format="localized", width=130)
    return st.column_config.TextColumn(title, width=WIDTHS[name])


def downloads(now: Frame, asked: Asked) -> None:
    """The report in each form, the cohort in each format, and the commands that write both."""
    st.markdown("**Hand it on**")
    question = _question(now, asked)
    try:
        require_shareable(question)
    except CxrdashError as fault:
        show_fault(fault)
        return
    columns = st.columns(2, gap="small")
    for at, (title, (form, name, kind)) in enumerate(FORMS.items()):
        out = f"{now.index.dataset}-{name}"
        columns[at % 2].download_button(
            title, partial(_report_bytes, question, form, out), file_name=out, mime=kind, on_click="ignore",
            key=f"r_{form}", width="stretch",
        )  # fmt: skip
    with st.popover("The command that writes it", width="stretch"):
        st.code(question.verb(f"{now.index.dataset}-report.html"), language="bash", wrap_lines=True)
    _export_button(now)


def _question(now: Frame, asked: Asked) -> Question:
    return Question(
        now.index, now.cohort, now.policy, use=asked.use, findings=asked.findings, shareable=asked.shareable,
        compute=_cached(now),
    )  # fmt: skip


def _cached(now: Frame) -> Callable[..., pd.DataFrame]:
    def compute(name: str, index: Any, cohort: Any, **options: Any) -> pd.DataFrame:
        # A report counts in the unit that was labelled, whatever unit the page shows.
        unit = options.pop("unit", index.units[0])
        policy = options.pop("policy", None)
        return cached.compute(name, index, cohort, policy=policy or now.policy, unit=unit, **options)

    return compute


def _report_bytes(question: Question, form: Form, out: str) -> bytes:
    return written(question, form, out).encode("utf-8", "surrogateescape")


def _export_button(now: Frame) -> None:
    st.markdown("**The cohort for training code**")
    choice, button = st.columns([3, 2], vertical_alignment="bottom")
    title = choice.selectbox("Format", list(EXPORTS), key="r_format", bind="query-params", label_visibility="collapsed")
    form = EXPORTS.get(title or "CSV", "csv")
    asked = Export(now.index, now.cohort, now.policy)
    name = f"{now.index.dataset}-{form}.zip"
    button.download_button(
        "Files and manifest", partial(_zipped, asked, form, name), file_name=name, mime="application/zip",
        on_click="ignore", width="stretch", key="r_export",
    )  # fmt: skip
    with st.popover("The command that writes them", width="stretch"):
        st.code(command_of(asked, [form], f"{now.index.dataset}-{form}"), language="bash", wrap_lines=True)
        st.caption(f"Also --format {', '.join(FORMATS)}: hf links the films into a folder that Hugging Face loads.")
    if not now.index.card.share_freely:
        st.caption(f"These files name images and patients. {safe(now.index.card.terms)}")


def _zipped(asked: Export, form: str, name: str) -> bytes:
    """Return an export as one ZIP archive; where it cannot be made, one that says why."""
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        out = Path(folder) / "export"
        try:
            write_export(asked, [form], out, command=command_of(asked, [form], name.removesuffix(".zip")))
        except CxrdashError as fault:
            archive.writestr("README.txt", f"{fault}\n")
            return packed.getvalue()
        for path in sorted(out.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(out))
    return packed.getvalue()
