"""Croissant 1.1 with the RAI 1.0 properties, written as JSON-LD (METHODS 10.2)."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

from cxrdash import __version__
from cxrdash.index.store import Index
from cxrdash.report.checklists import answers
from cxrdash.report.documents import documentation
from cxrdash.report.gather import Question, require_shareable
from cxrdash.report.small_cells import is_small, shareable_sentence
from cxrdash.report.tables import withheld_findings

CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
UNDOCUMENTED = "Not documented by the source."
AUTHOR = "To be written by the author."
_CR = (
    "arrayShape", "citeAs", "column", "containedIn", "extract", "field", "fileObject", "fileProperty", "fileSet",
    "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet",
    "references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{name: f"cr:{name}" for name in _CR},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}
SPLITS = {"train": "TrainingSplit", "valid": "ValidationSplit", "test": "TestSplit"}


def croissant(question: Question) -> dict[str, Any]:
    """Return the description of a cohort's dataset as a JSON-LD object.

    The statistics are record sets with their data inside: parts, and prevalence per finding. Raises
    CxrdashError as the report does.
    """
    require_shareable(question)
    index = question.index
    known = documentation(str(index.meta["source"]))
    record_sets = [_parts(question), _prevalence(question)]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": index.dataset,
        "alternateName": index.title,
        "description": _description(question),
        "license": index.card.licence or UNDOCUMENTED,
        "usageInfo": index.card.terms or UNDOCUMENTED,
        # Required by the format; a dataset that is not published has no address and no date but its index's.
        "url": known.url or f"urn:cxrdash:{index.dataset}",
        "creator": {"@type": "sc:Organization", "name": known.creator or UNDOCUMENTED},
        "datePublished": known.published or str(index.meta["built_at"])[:10],
        "version": _version(index),
        "inLanguage": "en",
        "keywords": ["chest radiography", *index.finding_names],
        "citeAs": index.card.citation or UNDOCUMENTED,
        "sdVersion": f"cxrdash {__version__}, generation {index.generation}",
        **_responsible_ai(question),
        "distribution": _files(index),
        "recordSet": [one for one in record_sets if one["data"]],
    }


def croissant_text(question: Question) -> str:
    """Return ``croissant`` as the text of a file."""
    return json.dumps(croissant(question), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _version(index: Index) -> str:
    stated = str(index.meta["variant"]).lstrip("v")
    parts = stated.split(".")
    return ".".join([*parts, "0", "0"][:3]) if all(part.isdigit() for part in parts) and stated else "1.0.0"


def _description(question: Question) -> str:
    card = question.index.card
    return (
        f"{question.index.title}. Cohort: {question.selection.sentence()}. Labels: {card.label_provenance} "
        f"Policy: {question.policy.sentence}."
    )


def _responsible_ai(question: Question) -> dict[str, Any]:
    """Return the RAI properties by their names in the specification's table, undocumented ones included."""
    index, said = question.index, answers(question)
    known = documentation(str(index.meta["source"]))
    card = index.card
    audit = question.table("audit")
    problems = [str(one) for one in audit.loc[audit["severity"].isin(["fail", "caution"]), "sentence"]]
    if question.shared:
        problems = [shareable_sentence(one) for one in problems]
    values: dict[str, Any] = {
        "dataCollection": known.collection,
        "dataCollectionTimeframe": list(known.timeframe),
        "dataCollectionMissingData": f"{said['Missing data']} Blank: {card.blank_means}",
        "dataPreprocessingProtocol": known.preprocessing,
        "dataManipulationProtocol": said["Partitions, and the level they are disjoint at"],
        "dataImputationProtocol": question.policy.sentence,
        "dataAnnotationProtocol": card.label_provenance,
        "dataAnnotationAnalysis": said["Who annotated, and how much annotators differ"],
        "annotatorDemographics": "; ".join(f"{name}: {text}" for name, text in card.readers.items()),
        "dataBiases": said["Consistency: logic and distribution"],
        "dataLimitations": [*problems, *card.known_problems],
        "dataUseCases": question.purpose or AUTHOR,
        "personalSensitiveInformation": known.consent,
        "dataReleaseMaintenancePlan": AUTHOR,
        "dataSocialImpact": AUTHOR,
    }
    return {f"rai:{name}": value or UNDOCUMENTED for name, value in values.items()}


def _files(index: Index) -> list[dict[str, Any]]:
    rows = index.rows("SELECT file, sha256, bytes FROM sources ORDER BY file")
    names: dict[str, int] = {}
    found = []
    for file, sha256, size in rows:
        name = PurePath(file.replace("\\", "/")).name
        names[name] = names.get(name, 0) + 1
        unique = name if names[name] == 1 else f"{name}-{names[name]}"
        found.append({
            "@type": "cr:FileObject", "@id": unique, "name": unique, "contentUrl": name, "sha256": sha256,
            "contentSize": f"{size} B", "encodingFormat": _media_type(name),
        })  # fmt: skip
    return found


def _media_type(name: str) -> str:
    ends = {".gz": "application/gzip", ".zip": "application/zip", ".xml": "application/xml", ".txt": "text/plain"}
    return ends.get(PurePath(name).suffix.lower(), "text/csv")


def _parts(question: Question) -> dict[str, Any]:
    table = question.table("overview")
    rows = table[(table["attribute"] == "part")]
    small = question.shared and bool(
        rows["images"].map(is_small).any() or rows["patients"].fillna(0).map(is_small).any()
    )
    data = [] if small else [
        {"parts/name": row.level, "parts/url": f"cr:{SPLITS[row.level]}" if row.level in SPLITS else "",
         "parts/images": int(row.images)}
        for row in rows.itertuples(index=False)
    ]  # fmt: skip
    fields = [("name", "sc:Text"), ("url", "sc:URL"), ("images", "sc:Integer")]
    made = _record_set("parts", "Images of each part", fields, data)
    return {**made, "dataType": "cr:Split"}


def _prevalence(question: Question) -> dict[str, Any]:
    table, withheld = question.table("prevalence"), withheld_findings(question)
    data = []
    for row in table.itertuples(index=False):
        if row.rate != row.rate:
            continue
        if row.finding in withheld:
            continue
        data.append({
            "prevalence/finding": row.finding, "prevalence/unit": row.unit, "prevalence/positive": int(row.counted),
            "prevalence/of": int(row.of), "prevalence/rate": float(row.rate), "prevalence/low": float(row.low),
            "prevalence/high": float(row.high),
        })  # fmt: skip
    fields = [("finding", "sc:Text"), ("unit", "sc:Text"), ("positive", "sc:Integer"), ("of", "sc:Integer"),
              ("rate", "sc:Float"), ("low", "sc:Float"), ("high", "sc:Float")]  # fmt: skip
    left_out = " Findings with a count of 1 to 10 are left out." if question.shared else ""
    words = f"Prevalence per finding with its 95% interval; {question.policy.sentence}.{left_out}"
    return _record_set("prevalence", words, fields, data)


def _record_set(name: str, words: str, fields: list[tuple[str, str]], data: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet", "@id": name, "name": name, "description": words,
        "field": [{"@type": "cr:Field", "@id": f"{name}/{field}", "name": field, "dataType": kind}
                  for field, kind in fields],
        "data": data,
    }  # fmt: skip
