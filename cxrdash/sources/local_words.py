"""Words that people write for states, views, sexes and parts: used to draft a mapping, never to read a dataset."""

from __future__ import annotations

import re

# No number stands for a sex, and no word for a state that another field of medicine uses otherwise.
STATES = {
    **dict.fromkeys(
        ("1", "1.0", "yes", "y", "true", "t", "positive", "pos", "present", "x", "+", "ja", "j", "si", "sí", "oui"),
        "positive",
    ),
    **dict.fromkeys(
        ("0", "0.0", "no", "n", "false", "f", "negative", "neg", "absent", "nein", "non", "none found"), "negative"
    ),
    **dict.fromkeys(
        ("-1", "-1.0", "uncertain", "unsure", "maybe", "possible", "possibly", "equivocal", "unclear", "?", "u"),
        "uncertain",
    ),
    **dict.fromkeys(
        ("nan", "na", "n/a", "null", "none", "missing", "not mentioned", "unknown", "-", ".", "not assessed"), "blank"
    ),
}
VIEWS = {
    **dict.fromkeys(("pa", "p-a", "posteroanterior", "frontal pa", "pa view"), "PA"),
    **dict.fromkeys(("ap", "a-p", "anteroposterior", "frontal ap", "ap view", "portable", "ap portable"), "AP"),
    **dict.fromkeys(("ap supine", "ap_supine", "ap_horizontal", "supine", "ap horizontal"), "AP_SUPINE"),
    **dict.fromkeys(("frontal", "front", "f", "frontal_unknown"), "FRONTAL_UNKNOWN"),
    **dict.fromkeys(("lateral", "lat", "l", "ll", "rl", "left lateral", "right lateral", "seitlich"), "LATERAL"),
    **dict.fromkeys(("lateral decubitus", "decubitus", "lld", "rld"), "LATERAL_DECUBITUS"),
    **dict.fromkeys(("oblique", "lao", "rao", "lpo", "rpo", "llo", "rlo"), "OBLIQUE"),
    **dict.fromkeys(("other",), "OTHER"),
    **dict.fromkeys(("unknown", "unk", "na", "n/a", "nan", "none"), "UNKNOWN"),
}
SEXES = {
    **dict.fromkeys(("f", "female", "woman", "w", "weiblich", "femme", "mujer", "fem"), "F"),
    **dict.fromkeys(("m", "male", "man", "männlich", "homme", "hombre", "masc"), "M"),
    **dict.fromkeys(("o", "other", "diverse", "d", "x"), "other"),
    **dict.fromkeys(("u", "unknown", "unk", "na", "n/a", "nan", "none", "?"), "unknown"),
}
SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "tr", "development"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "validate", "tune", "tuning"), "valid"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "hold-out"), "test"),
    **dict.fromkeys(("train_val", "trainval", "train_valid", "train/val"), "train_valid"),
}
NORMAL = {"nofinding", "nofindings", "normal", "healthy", "noabnormality", "unremarkable", "clear"}
DEVICE = {"supportdevices", "supportdevice", "device", "devices", "tube", "tubes", "lines", "pacemaker", "chesttube"}
LIST_NAME = re.compile(r"label|finding|diagnos|patholog|disease|tag|target|abnormalit|impression|befund", re.I)
KIND = {**dict.fromkeys(NORMAL, "normal"), **dict.fromkeys(DEVICE, "device")}


def part_in_name(name: str) -> str:
    """Return the part that a file name's words tell, '' if none or several."""
    words = re.split(r"[^a-z]+", name.lower())
    found = {SPLITS[word] for word in words if word in SPLITS}
    return found.pop() if len(found) == 1 else ""
