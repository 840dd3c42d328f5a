"""Parts of the image quality page: suspects with their films, what films are made of, measures, conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.analysis.quality import scanned
from cxrdash.charts.quality import census_bars, measure_histogram, suspect_bars
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import Draw, films
from cxrdash.index.film_checks import BY_NAME, REFERENCE, Check
from cxrdash.index.suspects import NUMBERS, suspect_text
from cxrdash.ui import doors, gallery, scanning, show, viewer
from cxrdash.ui.controls import Frame
from cxrdash.ui.film_grid import film_grid
from cxrdash.ui.text import interval, listed, number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "Are the pictures sound?"
VIEWS = ("Suspects", "Make-up", "Measures", "File against table")
POSITIONS = ("inverted", "upside_down", "sideways", "lateral_among_frontal")
EMPTY = ("blank", "part_missing", "blurred")
SHOWN, ACROSS = 12, 6
MEASURES = {
    "orientation_r": "Likeness to the median film of its kind",
    "relative_sharpness": "Sharpness as a share of the median film's",
    "grey_levels": "Distinct grey levels",
    "interior_contrast": "Contrast inside the border, in shades of 256",
    "border_share": "Share of the film that is border",
    "lateral_gap": "Likeness to the median lateral, less that to the median frontal",
}
LINES = {
    "orientation_r": ("unusual",), "relative_sharpness": ("blurred",), "grey_levels": ("few_greys",),
    "interior_contrast": ("low_contrast",), "lateral_gap": ("lateral_among_frontal",),
}  # fmt: skip
WORDS = {
    "status": "Film", "format": "Format", "stored_mode": "Pixels stored as", "bits_stored": "Bits stored",
    "grey_levels_used": "Grey levels used", "photometric": "Photometric", "size": "Size", "shape": "Shape",
    "windows_in_file": "Windows in the file", "spacing_in_file": "Spacing in the file",
    "burned_in": "Burnt-in annotation", "header_view": "View in the header",
    "size_against_table": "Size", "view_against_table": "View", "spacing_against_table": "Pixel spacing",
    "photometric_against_picture": "Photometric and picture",
}  # fmt: skip


OUTCOMES = {
    "other shape": "the picture has another shape than the table states",
    "same shape, other size": "the picture has the shape that the table states, but not the size",
    "width and height exchanged": "the table has width and height exchanged",
    "other spacing": "the file has another pixel spacing than the table",
}


def unscanned(now: Frame) -> bool:
    """Say what to run where the films have not been looked at; the page then shows nothing else."""
    if scanned(now.index):
        return False
    show.headline(QUESTION, f"The films of {now.index.title} have not been looked at yet")
    scanning.offer(now)
    st.caption(
        "A scan decodes every film once. It finds films that are blank, turned, inverted or unreadable, counts sizes "
        "and grey levels, and makes all thumbnails. The films themselves are only read."
    )
    return True


def sentence(suspects: pd.DataFrame, census: pd.DataFrame) -> str:
    """Return the headline: films in a wrong position, films that cannot be read, files in colours."""
    found = suspects.set_index("check")["images"]
    told = [f"{number(found[name])} {_short(name, found[name])}" for name in POSITIONS if found[name]]
    blank = [
        f"{number(found[name])} {_short(name, found[name])}"
        for name in ("blank", "part_missing", "blurred")
        if found[name]
    ]
    unread = _status(census, "unreadable")
    broken = [f"{number(unread)} cannot be read"] if unread else []
    looked = _status(census, "ok")
    if not looked:
        return "No film of this cohort could be looked at"
    if not told + blank + broken:
        return f"None of {plural(looked, 'film')} looks turned, inverted, blank or blurred, and all could be read"
    return f"Of {plural(looked + unread, 'film')}, {listed(told + blank + broken)}"


def _short(name: str, count: int) -> str:
    if name == "inverted":
        return "looks inverted" if count == 1 else "look inverted"
    words = {"sideways": "on its side" if count == 1 else "on their side", "part_missing": "with a part missing"}
    return words.get(name, name.replace("_", " "))


def _status(census: pd.DataFrame, status: str) -> int:
    rows = census[(census["attribute"] == "status") & (census["level"] == status)]
    return int(rows["images"].sum())


def figures(now: Frame, suspects: pd.DataFrame, census: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return the four key figures: films looked at, without picture, sizes, worst false alarm rate."""
    missing, unread = _status(census, "missing"), _status(census, "unreadable")
    sizes = census[census["attribute"] == "size"]
    bits = listed(sorted(census[census["attribute"] == "bits_stored"]["level"].str.removesuffix(" bits"), key=int))
    alarms = suspects["alarm_rate"].max()
    return [
        ("Films looked at", number(_status(census, "ok")), f"Of {number(now.counts['images'])} images of the cohort."),
        ("Without a picture", number(unread + missing), f"{number(unread)} unreadable, {number(missing)} missing."),
        ("Bits per pixel", bits or "–", f"As stored; {plural(len(sizes), 'size')} in pixels."),
        ("False alarms", f"at most {percent(alarms)}", f"For any one check, on {REFERENCE}, where it could be tried."),
    ]  # fmt: skip


def incomplete(now: Frame, census: pd.DataFrame) -> None:
    """Offer to go on where some films have not been looked at."""
    left = _status(census, "not scanned")
    if left or scanning.running(now.index.dataset):
        scanning.offer(now, left=left)


def suspects_view(now: Frame, table: pd.DataFrame) -> None:
    """Every check as a bar, and the films of one of them."""
    left, right = st.columns([5, 6], gap="medium")
    with left:
        drawn = table.assign(door=[_door(text) for text in table["suspect"]])
        show.chart(suspect_bars(drawn, now.look), "quality_suspects", alt=_takeaway(table))
    with right:
        check, threshold = _chosen(table)
        _films(now, check, threshold)
    _table(table)
    show.provenance(now, "quality_suspects", table)


def _takeaway(table: pd.DataFrame) -> str:
    found = table[table["images"] > 0]
    told = [f"{title}: {plural(n, 'film')}" for title, n in zip(found["title"], found["images"], strict=True)]
    return "; ".join(told) or "No check suspects a film"


def _door(suspect: str) -> str:
    return doors.door(Cohort(suspects=(suspect,))) if suspect else ""


def _chosen(table: pd.DataFrame) -> tuple[Check, float]:
    """The check whose films are shown, by a control, and where its threshold stands."""
    found = table.loc[table["images"] > 0, "check"].tolist()
    names = table["check"].tolist()
    pick, move = st.columns([3, 2], vertical_alignment="bottom")
    name = pick.selectbox(
        "Films of", names, index=names.index(found[0]) if found else 0, key="q_check", bind="query-params",
        format_func=lambda one: BY_NAME[one].title,
    )  # fmt: skip
    check = BY_NAME[name]
    low, high = check.range
    if low >= high:
        return check, check.threshold
    threshold = move.number_input(
        "Threshold", low, high, check.threshold, step=(high - low) / 50, key=f"q_{name}", bind="query-params",
        help=f"{check.unit[:1].upper()}{check.unit[1:]}. Usual: {check.threshold:g} ({check.source}).",
    )  # fmt: skip
    return check, float(threshold)


def _films(now: Frame, check: Check, threshold: float) -> None:
    options = {"check": check.name} | ({"threshold": threshold} if threshold != check.threshold else {})
    worst = now.compute("quality_outliers", most=SHOWN, **options)
    table = now.compute("quality_suspects", **options)
    row: dict[Any, Any] = table[table["check"] == check.name].iloc[0].to_dict()
    told = f"{number(row['images'])} of {plural(row['of'], 'film')} suspected to be {check.words}"
    st.markdown(f"**{safe(told)}** ({interval(row['low'], row['high'])})")
    if len(worst):
        chosen = films(now.index, worst["image"].tolist())
        tiles = gallery.tiles(now, Draw(chosen, of=len(chosen), frame="images", images=len(chosen), seed=1))
        opened = film_grid(
            tiles, key="quality_grid", columns=ACROSS, show_captions=False, presentation=now.look.presentation
        )
        if opened:
            viewer.open_film(now, opened, chosen)
        viewer.film_viewer(now, chosen, key="quality_viewer")
        doors.link(
            _door(suspect_text(check.name, threshold)), f"Open all {plural(row['images'], 'film')} in the gallery"
        )
    elif not row["of"]:
        st.caption("No film of this cohort can be judged by this check.")
    st.caption(safe(_said(check, int(row["of"]))))


def _said(check: Check, of: int) -> str:
    """How far the check can be trusted."""
    if check.alarms is None:
        return check.limits
    alarms = f"False alarms: {check.alarms} of {check.alarms_of} sound films"
    expected = f", which would be {number(check.alarms / check.alarms_of * of)} of {number(of)}" if check.alarms else ""
    return " ".join(
        filter(None, ("Suspects are films to look at, not findings.", f"{alarms}{expected}.", check.limits))
    )


def _table(table: pd.DataFrame) -> None:
    columns = {
        "title": "Check", "images": "Suspected", "of": "Of films judged", "rate": "Rate", "low": "95% from",
        "high": "to", "threshold": "Threshold", "unit": "What is judged", "alarms": "False alarms",
        "alarms_of": "Of sound films", "source": "Source of the threshold", "limits": "Limits",
    }  # fmt: skip
    show.table(table, key="quality_table", columns=columns)


def make_up_view(now: Frame, census: pd.DataFrame) -> None:
    """Every attribute as a bar shared out among its levels; films without picture by reason."""
    drawn = _written(census)
    show.chart(census_bars(drawn, now.look), "quality_census", alt=_commonest(drawn))
    _level_link(drawn)
    reasons = now.compute("unreadable")
    if len(reasons):
        st.markdown("**Films without a picture**")
        columns = {"status": "Film", "reason": "Reason", "images": "Images", "share_of_images": "Share of the cohort",
                   "example": "For example"}  # fmt: skip
        if now.look.presentation:
            columns.pop("example")
        show.table(reasons, key="unreadable_table", columns=columns)
    show.table(drawn, key="census_table", columns=_CENSUS_COLUMNS, height=240)
    show.provenance(now, "quality", census)


_CENSUS_COLUMNS = {
    "attribute": "Attribute",
    "level": "Level",
    "images": "Films",
    "of": "Of",
    "share_of_images": "Share",
}


def _written(census: pd.DataFrame) -> pd.DataFrame:
    """The census in words, with doors; where every film is the same way unknown nothing is shown."""
    return census.assign(
        attribute=census["attribute"].map(WORDS), door=[_door(suspect) for suspect in census["suspect"]]
    )


def _commonest(drawn: pd.DataFrame) -> str:
    first = drawn.drop_duplicates("attribute")
    return "; ".join(
        f"{row['attribute']}: {row['level']} {percent(row['share_of_images'])}" for _, row in first.iterrows()
    )


def _level_link(drawn: pd.DataFrame) -> None:
    """The same doors for the keyboard."""
    first, second, link = st.columns([2, 2, 3], vertical_alignment="bottom")
    attribute = first.selectbox("Attribute", drawn["attribute"].unique().tolist(), key="q_attribute")
    levels = drawn[(drawn["attribute"] == attribute) & (drawn["door"] != "")]
    level = second.selectbox("Level", levels["level"].tolist(), key="q_level")
    rows = levels[levels["level"] == level]
    if len(rows):
        with link:
            doors.link(rows["door"].iloc[0], safe(f"{plural(rows['images'].iloc[0], 'film')}: {attribute} {level}"))


def measures_view(now: Frame) -> None:
    """How one measure spreads over the films, with the thresholds that stand on it."""
    measure = st.selectbox(
        "Measure", list(MEASURES), format_func=MEASURES.__getitem__, key="q_measure", bind="query-params"
    )
    table = now.compute("quality_histogram", measure=measure)
    drawn = table[table["images"] > 0].assign(door=lambda rows: [_door(text) for text in rows["suspect"]])
    lines = tuple(BY_NAME[name].threshold for name in LINES.get(measure, ()))
    figure = measure_histogram(
        drawn, now.look, title=MEASURES[measure], logarithmic=measure == "relative_sharpness", thresholds=lines
    )
    show.chart(figure, "quality_histogram", alt=f"{NUMBERS[measure]} of {number(drawn['images'].sum())} films")
    if lines:
        titles = listed([BY_NAME[name].title.lower() for name in LINES[measure]])
        st.caption(f"Dashed: threshold of the check “{titles}”. The films of any bar open in the gallery.")
    show.provenance(now, "quality_histogram", table, measure=measure)


def conflicts_view(now: Frame) -> None:
    """Where the file and the dataset's own table say different things."""
    table = now.compute("quality_conflicts")
    if table.empty:
        st.info("The table states no size, view or spacing that could be compared with these files.")
        return
    drawn = _written(table.rename(columns={"comparison": "attribute", "outcome": "level"}))
    st.markdown(f"**{safe(conflict_sentence(table))}**")
    show.chart(census_bars(drawn, now.look), "quality_conflicts", alt=conflict_sentence(table))
    _level_link(drawn)
    st.caption(
        "A file of the same shape but another size was resized; one of another shape was squeezed, padded or cropped: "
        "then the table's millimetres per pixel do not hold for it, and lengths and ratios measured on it are wrong."
    )
    show.table(drawn, key="conflicts_table", columns={**_CENSUS_COLUMNS, "attribute": "Compared", "level": "Outcome"})
    show.provenance(now, "quality_conflicts", table)


def conflict_sentence(table: pd.DataFrame) -> str:
    """Return the most frequent disagreement between file and table."""
    odd = table[~table["agrees"]]
    if odd.empty:
        return "Wherever file and table say the same thing twice, they agree"
    worst = odd.sort_values("images", ascending=False, kind="stable").iloc[0]
    films = f"{number(worst['images'])} of {plural(worst['of'], 'film')} ({percent(worst['share_of_images'])})"
    return f"In {films} {OUTCOMES.get(worst['outcome'], worst['outcome'])}"
