"""LUDB, the Lobachevsky University database: records in mV with the Challenge's codes and waves.

Kalyakulina et al., IEEE Access 2020;8:186181, doi 10.13026/eegm-h675: 10 s, 12 leads, 500 Hz.  Its
headers list rhythm, axis and diagnoses as texts, one per line below `<diagnoses>`.  We assigned
them to the Challenge's classes (docs/transfer.md).  A text in neither table is an error:
ignoring it would make the record a negative.  `Record.annotations` gives the waves of each lead,
which are marked in the middle of the recording only.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecg import LeadwiseError
from ecg.files import read_bytes
from ecg.headers import Message, with_gain
from ecg.labels import codes_by_name
from ecg.records import Record, find_records

# Samples are microvolts: I + III = II holds exactly.  The published headers give each lead its own
# range as gain, so that every lead would have a range of 1 mV.
GAIN = 1000.0  # adu per mV

# Our 30 of the 160 records with numbers not divisible by 5, drawn once, stratified by rhythm: waves
# are measured on them, and the other 130 train.
DEVELOPMENT = (
    "4", "9", "17", "27", "34", "43", "48", "49", "56", "58", "81", "89", "96", "99", "103",
    "111", "117", "118", "121", "124", "126", "128", "136", "146", "152", "154", "161", "171",
    "173", "184",
)  # fmt: skip

# A text, or its part before the first colon or comma.
CLASS_OF = {
    "Rhythm: Sinus rhythm": "NSR",
    "Rhythm: Sinus bradycardia": "SB",
    "Rhythm: Sinus tachycardia": "STach",
    "Rhythm: Sinus arrhythmia": "SA",
    "Rhythm: Atrial fibrillation": "AF",
    "Rhythm: Atrial flutter, typical": "AFL",
    "Electric axis of the heart: left axis deviation": "LAD",
    "Electric axis of the heart: right axis deviation": "RAD",
    "I degree AV block": "IAVB",
    "Incomplete right bundle branch block": "IRBBB",
    "Complete right bundle branch block": "CRBBB",
    "Complete left bundle branch block": "CLBBB",
    "Left anterior hemiblock": "LAnFB",
    "Non-specific intravintricular conduction delay": "NSIVCB",
    "Atrial extrasystole": "PAC",
    "Ventricular extrasystole": "PVC",
    "UNIpolar ventricular pacing": "PR",
    "BIpolar ventricular pacing": "PR",
    "Biventricular pacing": "PR",
}
NOT_SCORED = "no scored class"
WITHOUT_CLASS = {
    "Rhythm: Irregular sinus rhythm": "irregular by extrasystoles in both records, so not SA",
    "Electric axis of the heart: normal": "normal",
    "Electric axis of the heart: vertical": "normal",
    "Electric axis of the heart: horizontal": "normal",
    "III degree AV-block": NOT_SCORED,
    "Incomplete left bundle branch block": NOT_SCORED,
    "Aberrant conduction": NOT_SCORED,
    "Wandering atrial pacemaker": NOT_SCORED,
    "P-synchrony": "a mode of pacing; pacing has a text of its own, except in record 72",
    "Left ventricular hypertrophy": NOT_SCORED,
    "Right ventricular hypertrophy": NOT_SCORED,
    "Left atrial hypertrophy": NOT_SCORED,
    "Left ventricular overload": NOT_SCORED,
    "Left atrial overload": NOT_SCORED,
    "Right atrial overload": NOT_SCORED,
    "Early repolarization syndrome": NOT_SCORED,
    "Non-specific repolarization abnormalities": "ST or T, unspecified: TAb only in part",
    "STEMI": "may include TInv or QAb, unspecified",
    "Ischemia": "may include TAb or TInv, unspecified",
    "Undefined ischemia/scar/supp.NSTEMI": "may include TAb, TInv or QAb, unspecified",
    "Scar formation": "may include QAb, unspecified",
}


def read_ludb(folder: str | Path) -> tuple[list[Record], list[Message]]:
    """Read LUDB's headers; signals and annotations are read on demand.

    The gain is that of microvolts, not the header's.  The age of patients above 89 years is hidden
    (`>89`), and unknown here.

    Returns
    -------
    records : list of Record
        By name, in the order of `find_records`; `header.codes` are the Challenge's.
    problems : list of Message
        Records left out, with reasons.

    Raises
    ------
    LeadwiseError
        The folder does not exist, a header is not LUDB's, or a text is unknown.
    """
    records, problems = find_records(folder)
    return [_labelled(record) for record in records], problems


def _labelled(record: Record) -> Record:
    text = read_bytes(f"{record.stem}.hea").decode("utf-8", errors="replace")
    texts = texts_of(text)
    if not texts:
        raise LeadwiseError(
            f"{record.name}: no text below <diagnoses> in its header; is this LUDB's folder?"
        )
    try:
        codes = codes_of(texts)
    except LeadwiseError as error:
        raise LeadwiseError(f"{record.name}: {error}") from None
    header = with_gain(record.header, GAIN)
    return replace(record, header=replace(header, codes=codes, **_patient(text)))


def _patient(text: str) -> dict[str, Any]:
    """Read age and sex: `#<age>: 51`, `#<sex>: F`."""
    facts = dict(re.findall(r"^# *<(\w+)>: *(\S+)", text, re.MULTILINE))
    age, sex = facts.get("age", ""), facts.get("sex", "")
    return {
        "age": float(age) if age.isdecimal() else math.nan,
        "sex": {"F": "female", "M": "male"}.get(sex, "unknown"),
    }


def texts_of(header: str) -> tuple[str, ...]:
    r"""Read the texts below `<diagnoses>`, without their full stops.

    Examples
    --------
    >>> texts_of("1 12 500\n#<age>: 51\n#<diagnoses>:\n#Rhythm: Sinus rhythm. \n#STEMI: apical.\n")
    ('Rhythm: Sinus rhythm', 'STEMI: apical')
    """
    comments = [line[1:].strip() for line in header.splitlines() if line.startswith("#")]
    if "<diagnoses>:" not in comments:
        return ()
    texts = comments[comments.index("<diagnoses>:") + 1 :]
    return tuple(text.rstrip(".") for text in texts if text)


def entry_of(text: str) -> str:
    """Give the table entry of a text: the text itself, or its first part.

    Raises
    ------
    LeadwiseError
        The tables have no such entry.

    Examples
    --------
    >>> entry_of("Atrial extrasystole, type: single PAC"), entry_of("STEMI: apical")
    ('Atrial extrasystole', 'STEMI')
    """
    for entry in (text, re.split("[:,]", text)[0]):
        if entry in CLASS_OF or entry in WITHOUT_CLASS:
            return entry
    raise LeadwiseError(f"'{text}' is an unknown text of LUDB; add it to datasets/ludb.py")


def codes_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Give the codes of a record's texts, each once; most texts have no code.

    Raises
    ------
    LeadwiseError
        A text is unknown.
    """
    entries = [entry_of(text) for text in texts]
    named = dict.fromkeys(CLASS_OF[entry] for entry in entries if entry in CLASS_OF)
    return tuple(codes_by_name()[name] for name in named)
