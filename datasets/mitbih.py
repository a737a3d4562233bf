"""MIT-BIH Arrhythmia Database: two leads for half an hour, with every beat marked.

Moody & Mark, IEEE Eng Med Biol 2001;20(3):45, doi 10.13026/C2F305: 48 records, 360 Hz, format 212.
`Record.annotations` gives beats and rhythms; the rhythm VFL covers the ventricular flutter of 207,
whose waves are no beats.  Headers have no codes.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from ecg.headers import Message
from ecg.records import Record, find_records

# De Chazal et al., IEEE TBME 2004;51:1196: training and test set.
DS1 = ("101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122", "124", "201",
       "203", "205", "207", "208", "209", "215", "220", "223", "230")  # fmt: skip
DS2 = ("100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210", "212", "213",
       "214", "219", "221", "222", "228", "231", "232", "233", "234")  # fmt: skip
PACED = ("102", "104", "107", "217")  # AAMI EC57 leaves them out
# A modified lead II: electrodes on the chest, as Holter recorders have them.
RENAMED = MappingProxyType({"MLII": "II"})


def read_mitbih(
    folder: str | Path, rename: Mapping[str, str] = RENAMED
) -> tuple[list[Record], list[Message]]:
    """Read the headers; signals and annotations are read when asked for.

    Parameters
    ----------
    rename : mapping of str to str
        New names of leads; default: MLII becomes II.

    Returns
    -------
    records : list of Record
        By name.
    problems : list of Message
        What is not among the records, and why.

    Raises
    ------
    LeadwiseError
        The folder does not exist or holds no header.
    """
    records, problems = find_records(folder)
    return [renamed(record, rename) for record in records], problems


def renamed(record: Record, rename: Mapping[str, str]) -> Record:
    """Give leads new names."""
    leads = tuple(rename.get(lead, lead) for lead in record.leads)
    return replace(record, header=replace(record.header, leads=leads))


def patient_of(name: str) -> str:
    """Name the patient of a record by his first record: 201 and 202 are one man's.

    Examples
    --------
    >>> patient_of("202"), patient_of("203")
    ('201', '203')
    """
    return "201" if name == "202" else name
