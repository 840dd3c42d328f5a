"""What is this dataset, and what should worry me?"""

import streamlit as st

from cxrdash.ui import frame, show
from cxrdash.ui import overview as parts
from cxrdash.ui.text import number

now = frame()
n = now.counts
show.headline("What is this dataset, and what should worry me?", parts.sentence(now))
if not show.nothing(now):
    per_patient = n["images"] / n["patients"] if n["patients"] else float("nan")
    show.key_figures(
        [
            (
                "Patients",
                number(n["patients"]) if n["patients"] else "unknown",
                "Distinct patient identifiers.",
            ),
            ("Studies", number(n["studies"]) if n["studies"] else "not identified", "Distinct studies."),
            ("Images", number(n["images"]), f"{per_patient:.2f} images per patient on average."),
            (
                "Images on disk",
                number(n["on_disk"]),
                f"Files found for {n['on_disk']:,} of {n['images']:,} images.",
            ),
        ]
    )
    strip = st.container()
    parts.composition(now)
    parts.labels_line(now)
    parts.load_audit(now)
    parts.card(now)
    show.provenance(now, "overview", now.compute("overview"))
    with strip:  # the numbers first: the checks take longer
        parts.verdicts(now)
