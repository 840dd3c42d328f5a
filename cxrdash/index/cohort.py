"""Which images count: one frozen object that yields its words, its link and its command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from cxrdash.errors import CxrdashError, shown
from cxrdash.index.attributes import attribute_words, both
from cxrdash.index.readings import reading_words
from cxrdash.index.suspects import suspect_words
from cxrdash.labels.expression import in_brief

OnePerPatient = Literal["", "first", "last", "random"]
UNBOUNDED = 10**6  # no patient has so many images; stands for an open end
OLDEST = 130  # years; no age filter goes beyond it
LARGEST = 10**9  # beyond any age or number of images; larger bounds mean the same


@dataclass(frozen=True)
class Cohort:
    """A selection of images. Empty fields do not narrow; all fields narrow together.

    ``attributes`` are conditions on what this dataset says beyond (index.attributes), such as ``site: Leiden``.
    ``ages`` are inclusive whole years and drop images of unknown age. ``labels`` is a label
    expression; each of ``readings`` is what one reader must have said (index.readings), each
    of ``suspects`` what the pixel scan must have found (index.suspects), each of
    ``annotations`` what must be drawn on the image (index.annotations).
    ``images`` are image identifiers. ``images_per_patient`` and ``studies_per_patient`` keep patients with
    that many of them inside the rest of the selection. ``one_per_patient`` then keeps one image each, by
    the dataset's order or by ``seed``.
    """

    splits: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    ages: tuple[int, int] | None = None
    labels: str = ""
    readings: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    patient: str = ""
    images_per_patient: tuple[int, int] | None = None
    studies_per_patient: tuple[int, int] | None = None
    on_disk: bool = False
    one_per_patient: OnePerPatient = ""
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("ages", "images_per_patient", "studies_per_patient"):
            bounds = getattr(self, name)
            if bounds is not None:
                low, high = sorted(max(-LARGEST, min(bound, LARGEST)) for bound in bounds)
                object.__setattr__(self, name, (low, high))
        if self.one_per_patient not in get_args(OnePerPatient):
            raise CxrdashError(
                f"'{shown(self.one_per_patient)}' is no rule for one image per patient.",
                "Use first, last or random.",
            )

    @property
    def everything(self) -> bool:
        """Whether no image is left out."""
        return replace(self, seed=1) == Cohort()

    @property
    def narrows_by_labels(self) -> bool:
        return bool(self.labels.strip())

    def words(self) -> str:
        """Return the cohort as a phrase without counts: 'images of women aged 40 to 80, PA view'."""
        people = _PEOPLE.get(self.sexes, "")
        parts = [f"{_images(self.on_disk)}{people}{self._age_words(bool(people))}"]
        if self.sexes and not people:
            parts.append(f"sex {_either(self.sexes)}")
        if self.views:
            parts.append(f"{_either(self.views)} view")
        parts += attribute_words(self.attributes)
        if self.splits:
            parts.append(f"{_either(split.replace('_', ' + ') for split in self.splits)} part")
        if self.narrows_by_labels:
            parts.append(f"labelled {in_brief(self.labels)}")
        parts += [reading_words(reading) for reading in self.readings]
        parts += [suspect_words(suspect) for suspect in self.suspects]
        parts += self.annotations
        if self.images:
            parts.append(f"{len(self.images):,} named one by one" if len(self.images) > 1 else "one by name")
        if self.patient:
            parts.append("one patient")
        if self.images_per_patient:
            parts.append(f"patients with {_range(self.images_per_patient)} images")
        if self.studies_per_patient:
            parts.append(f"patients with {_range(self.studies_per_patient)} studies")
        if self.one_per_patient:
            parts.append(f"one per patient ({_RULES[self.one_per_patient].format(seed=self.seed)})")
        return ", ".join(parts)

    def _age_words(self, people: bool) -> str:
        if self.ages is None:
            return ""
        low, high = self.ages
        if high < 0:
            return " of ages that exclude each other"
        aged = f" aged {low} to {high}" if high < OLDEST else f" aged {low} or more"
        return aged if people else f" of people{aged}"

    def narrow(self, other: Cohort) -> Cohort:
        """Return the images that are in both cohorts (``other`` names the one-per-patient rule if it has one)."""
        return Cohort(
            splits=_common(self.splits, other.splits),
            views=_common(self.views, other.views),
            sexes=_common(self.sexes, other.sexes),
            attributes=both(self.attributes, other.attributes),
            ages=_overlap(self.ages, other.ages),
            labels=_both_labels(self.labels, other.labels),
            readings=tuple(dict.fromkeys(self.readings + other.readings)),
            suspects=tuple(dict.fromkeys(self.suspects + other.suspects)),
            annotations=tuple(dict.fromkeys(self.annotations + other.annotations)),
            images=_common(self.images, other.images),
            patient=_same(self.patient, other.patient),
            images_per_patient=_overlap(self.images_per_patient, other.images_per_patient),
            studies_per_patient=_overlap(self.studies_per_patient, other.studies_per_patient),
            on_disk=self.on_disk or other.on_disk,
            one_per_patient=other.one_per_patient or self.one_per_patient,
            seed=other.seed if other.one_per_patient else self.seed,
        )

    def to_query(self) -> dict[str, list[str]]:
        """Return the cohort as link parameters; only what narrows is written."""
        written: dict[str, list[str]] = {}
        for name, parameter in PARAMETERS.items():
            value = getattr(self, name)
            if value != getattr(Cohort(), name):
                written[parameter] = _texts(value)
        return written

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]]) -> Cohort:
        """Read back what ``to_query`` wrote; raise CxrdashError for a value that cannot be meant."""
        values: dict[str, Any] = {name: _parsed(name, list(query[p])) for name, p in PARAMETERS.items() if query.get(p)}
        return cls(**values)

    def arguments(self) -> list[str]:
        """Return the cohort as command-line arguments of ``cxrdash stat``."""
        words: list[str] = []
        for parameter, values in self.to_query().items():
            option = f"--{parameter.replace('_', '-')}"
            if parameter in ("age", "per_patient_images", "per_patient_studies"):
                words += [option, "-".join(values)]
            elif parameter == "on_disk":
                words.append(option)
            else:
                words += [word for value in values for word in (option, value)]
        return words


# cohort field -> name in links; the command line uses the same names with dashes
PARAMETERS = {
    "splits": "split",
    "views": "view",
    "sexes": "sex",
    "attributes": "attribute",
    "ages": "age",
    "labels": "labels",
    "readings": "reading",
    "suspects": "suspect",
    "annotations": "annotation",
    "images": "image",
    "patient": "patient",
    "images_per_patient": "per_patient_images",
    "studies_per_patient": "per_patient_studies",
    "on_disk": "on_disk",
    "one_per_patient": "one",
    "seed": "pick_seed",
}
_RULES = {"first": "the first", "last": "the last", "random": "drawn with seed {seed}"}
_PEOPLE: dict[tuple[str, ...], str] = {("F",): " of women", ("M",): " of men"}
_NOTHING = "(none in common)"


def _images(on_disk: bool) -> str:
    return "images with a file on disk" if on_disk else "images"


def _either(values: Iterable[str]) -> str:
    return " or ".join(values)


def _range(bounds: tuple[int, int]) -> str:
    low, high = bounds
    if high < 0:
        return "no common number of"
    if high >= UNBOUNDED:
        return f"{low:,} or more"
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if not one or not other:
        return one or other
    return tuple(value for value in one if value in other) or (_NOTHING,)


def _same(one: str, other: str) -> str:
    return one or other if one == other or not (one and other) else _NOTHING


def _overlap(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    if one is None or other is None:
        return one or other
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else (-1, -1)


def _both_labels(one: str, other: str) -> str:
    if not one.strip() or not other.strip() or one == other:
        return one.strip() or other.strip()
    return f"({one}) AND ({other})"


def _texts(value: object) -> list[str]:
    if value is True:
        return ["yes"]
    return [str(item) for item in value] if isinstance(value, tuple) else [str(value)]


def _parsed(name: str, texts: list[str]) -> object:
    kind = {field.name: field.type for field in fields(Cohort)}[name]
    try:
        if kind == "tuple[str, ...]":
            return tuple(texts)
        if kind == "tuple[int, int] | None":
            low, high = (int(text) for text in texts)
            return low, high
        if kind == "int":
            return int(texts[0])
    except ValueError:
        raise CxrdashError(
            f"The link parameter {PARAMETERS[name]}={shown(','.join(texts))} is not understood.",
            "Remove it from the link, or set the filter on the page again.",
        ) from None
    return texts[0] == "yes" if kind == "bool" else texts[0]
