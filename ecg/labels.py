"""Labels: the Challenge's SNOMED CT codes, its 26 scored classes, and equivalent codes.

Also the four letters of the 2017 Challenge and Icentia11k's classes.  `datasets.reference`
reads the labels of records.

The tables `dx_mapping_scored.csv` and `dx_mapping_unscored.csv` are the organisers', unchanged
(evaluation-2021, BSD-2-Clause).
"""

import csv
import re
import string
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

# The 26 classes in the order of the 2021 weights table.  Of two codes that count as one class the
# first is the one we write: the 2020 scorer accepts it too.
CLASSES = (
    ("164889003",),
    ("164890007",),
    ("6374002",),
    ("426627000",),
    ("164909002", "733534002"),
    ("713427006", "59118001"),
    ("270492004",),
    ("713426002",),
    ("39732003",),
    ("445118002",),
    ("164947007",),
    ("251146004",),
    ("111975006",),
    ("698252002",),
    ("426783006",),
    ("284470004", "63593006"),
    ("10370003",),
    ("365413008",),
    ("427172004", "17338001"),
    ("164917005",),
    ("47665007",),
    ("427393009",),
    ("426177001",),
    ("427084000",),
    ("164934002",),
    ("59931005",),
)
CODES = tuple(codes[0] for codes in CLASSES)
# 2020's 24 classes: all but BBB and PRWP, which 2021 added.  Their weights are the same in both
# years' tables, so the Challenge metric of these classes is 2020's.  CLBBB counts as LBBB.
CODES_2020 = tuple(code for code in CODES if code not in ("6374002", "365413008"))
SINUS_RHYTHM = "426783006"
WITHOUT_P = frozenset({"164889003", "164890007", "10370003"})  # AF, AFL, pacing rhythm
# Revenger 2021's special classes, which its rules answer: Brady, LAD, LQRSV, PR and RAD.
SPECIAL = ("426627000", "39732003", "251146004", "10370003", "47665007")
AF_LETTERS = ("N", "A", "O", "~")  # 2017: normal, atrial fibrillation, other rhythm, too noisy
# No class, sinus rhythm, fibrillation, flutter: the order of Reich & Kruk's weights.
ICENTIA = ("~", SINUS_RHYTHM, "164889003", "164890007")
_DX_LINE = re.compile(r"\n[ \t]*(#[ \t]*[Dd][Xx].*)")  # a fixed first character makes it fast
_SEPARATOR, _BETWEEN_WORDS = re.compile("[,;|]"), re.compile(r"[\s/+&]+")
_BRACKETS = string.whitespace + "\"'[](){}"
_DECIMALS = re.compile(r"(?<=[0-9])\.0*$")
_NOTHING = ("", "unknown", "none", "nan", "n/a", "null")  # no label
_CLASS_OF = {code: index for index, codes in enumerate(CLASSES) for code in codes}


def dx_lines(header: str) -> list[str]:
    """List the Dx lines of a header, in either dialect and any case."""
    text = header.replace("\r", "\n") if "\r" in header else header
    return _DX_LINE.findall("\n" + text)


def read_codes(header: str) -> tuple[str, ...]:
    r"""Read the codes of a header's Dx lines, in either dialect (`#Dx: 1,2` and `# Dx: 1,2`).

    Codes may also be separated by bars, semicolons or blanks, in brackets or quotes, or end in
    `.0`.  Names stay as written: they may be classes of the user's own (`code_of`).

    Parameters
    ----------
    header : str
        The text of a .hea file.

    Returns
    -------
    tuple of str
        Codes and names, without empty entries and repeats.

    Examples
    --------
    >>> read_codes("X 1 500 10\n# Dx: 426783006, 164889003,,426783006\n")
    ('426783006', '164889003')
    >>> read_codes("# Dx: ['AF'; 'sinus rhythm']"), read_codes("# Dx: 1.0|2 x")
    (('AF', 'sinus rhythm'), ('1', '2', 'x'))
    """
    codes: dict[str, None] = {}
    for line in dx_lines(header):
        codes.update(dict.fromkeys(_listed(line.partition(":")[2])))
    return tuple(codes)


@lru_cache(maxsize=65536)  # 88,253 headers have few different lists
def _listed(text: str) -> tuple[str, ...]:
    """Read a list of codes or names."""
    pieces = [piece.strip(_BRACKETS) for piece in _SEPARATOR.split(text)]
    pieces = [piece for piece in pieces if piece.casefold() not in _NOTHING]
    return tuple(_DECIMALS.sub("", word) for piece in pieces for word in _words(piece))


def _words(piece: str) -> list[str]:
    """Split an entry at blanks, if it is no name of several words."""
    words = [word.strip(_BRACKETS) for word in _BETWEEN_WORDS.split(piece)]
    apart = any(is_code(code_of(_DECIMALS.sub("", word))) for word in words)
    return words if apart and not is_code(code_of(piece)) else [piece]


def is_code(word: str) -> bool:
    """Return whether a word is written as a code: in digits.

    Examples
    --------
    >>> is_code("164889003"), is_code("AF")
    (True, False)
    """
    return word.isascii() and word.isdigit()


def is_snomed(word: str) -> bool:
    """Return whether a code has the 6 to 18 digits of SNOMED CT; shorter ones are torn codes.

    Examples
    --------
    >>> is_snomed("6374002"), is_snomed("16488")
    (True, False)
    """
    return is_code(word) and 6 <= len(word) <= 18


def code_of(name: str) -> str:
    """Give the code of an abbreviation or name of the class table; other words are unchanged.

    Examples
    --------
    >>> code_of("af"), code_of("Atrial Fibrillation"), code_of("NORM"), code_of("164889003")
    ('164889003', '164889003', 'NORM', '164889003')
    """
    return _code_by_any_name().get(name.casefold(), name)


def same_as(code: str) -> str:
    """Give the code that we write for a code: the first of equivalent ones, others unchanged.

    Examples
    --------
    >>> same_as("733534002"), same_as("284470004"), same_as("NORM")
    ('164909002', '284470004', 'NORM')
    """
    return CODES[_CLASS_OF[code]] if code in _CLASS_OF else code


def without_p(codes: Iterable[str]) -> bool:
    """Tell whether a record has no P waves: atrial fibrillation, flutter, or pacing."""
    return not {same_as(code) for code in codes}.isdisjoint(WITHOUT_P)


def label_matrix(codes: Sequence[Iterable[str]], classes: Sequence[str] = CODES) -> np.ndarray:
    """Turn the codes of each record into 0/1 labels of the classes; ignore other codes.

    Parameters
    ----------
    codes : sequence of iterables of str
        One entry per record; a name that is no class itself counts as its code (`code_of`).
    classes : sequence of str
        As `same_as` gives them; a bar joins codes of one class, as in the weights tables.

    Returns
    -------
    np.ndarray of bool, shape (records, classes)

    Examples
    --------
    >>> label_matrix([["A"], ["O"], ["~"]], ["N|O|~", "A"]).astype(int).tolist()
    [[0, 1], [1, 0], [1, 0]]
    """
    index = {code: at for at, joined in enumerate(classes) for code in joined.split("|")}
    labels = np.zeros((len(codes), len(classes)), dtype=bool)
    for row, listed in enumerate(codes):
        for code in map(same_as, listed):
            column = index.get(code, index.get(same_as(code_of(code))))
            if column is not None:
                labels[row, column] = True
    return labels


def scored_classes(codes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Give the Challenge's 26 classes, independent of the records' codes."""
    return CODES


def scored_classes_2020(codes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Give the 24 classes of the 2020 Challenge, independent of the records' codes."""
    return CODES_2020


def all_classes(codes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Give all codes of the records in order; equivalent ones count once.

    Examples
    --------
    >>> all_classes([["NORM", "SR"], ["IMI", "SR"]])
    ('IMI', 'NORM', 'SR')
    """
    return tuple(sorted({same_as(code) for listed in codes for code in listed}))


def af_classes(codes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Give the four classes of the 2017 Challenge, independent of the records' codes."""
    return AF_LETTERS


def af_or_not(codes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Give two classes: atrial fibrillation, and the other three letters of 2017 as one."""
    return ("N|O|~", "A")


def af_or_normal(codes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Give two classes of 2017, normal and atrial fibrillation; other records have no class."""
    return ("N", "A")


def icentia_classes(codes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Give the four classes of pre-training on Icentia11k (`datasets.icentia`)."""
    return ICENTIA


def wave_classes(codes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Return no wave, P, QRS and T, in the order of the values of `ecg.annotations.wave_mask`."""
    return ("none", "P", "QRS", "T")


def beat_classes(codes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Return the beat classes N, S and V of ANSI/AAMI EC57."""
    return ("N", "S", "V")


# How a recipe chooses its classes from the codes of the training records.
POLICIES: dict[str, Callable[[Sequence[Iterable[str]]], tuple[str, ...]]] = {
    "scored": scored_classes,
    "scored2020": scored_classes_2020,
    "network21+rules5": scored_classes,
    "all": all_classes,
    "af": af_classes,
    "af2": af_or_not,
    "af_n": af_or_normal,
    "icentia": icentia_classes,
    "waves": wave_classes,
    "beats": beat_classes,
}


# Classes of a policy that rules alone answer; the network learns the others.
RULED = {"network21+rules5": SPECIAL}


@cache
def _tables() -> tuple[dict[str, str], ...]:
    """Read the organisers' tables of all 133 codes, the scored ones first."""
    rows: list[dict[str, str]] = []
    for table in ("dx_mapping_scored.csv", "dx_mapping_unscored.csv"):
        with open(Path(__file__).with_name(table), newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    return tuple(rows)


@cache
def abbreviations() -> dict[str, str]:
    """Read the organisers' abbreviations of all codes: `{"164889003": "AF", …}`."""
    return {row["SNOMEDCTCode"]: row["Abbreviation"] for row in _tables()}


@cache
def codes_by_name() -> dict[str, str]:
    """Read the code of each abbreviation; a scored code precedes an unscored one."""
    names: dict[str, str] = {}
    for code, name in abbreviations().items():
        names.setdefault(name, code)
    return names


@cache
def _code_by_any_name() -> dict[str, str]:
    """Read the code of each abbreviation and full name, casefolded."""
    names = {name.casefold(): code for name, code in reversed(codes_by_name().items())}
    return {row["Dx"].casefold(): row["SNOMEDCTCode"] for row in _tables()} | names


def class_name(code: str) -> str:
    """Give the abbreviation of a code, `AF`; an unknown code is returned unchanged."""
    return abbreviations().get(code, code)


def described(code: str) -> str:
    """Give a code, or codes joined by a bar, with their abbreviations; others as they are.

    Examples
    --------
    >>> described("164889003"), described("733534002|164909002"), described("N|O|~")
    ('164889003 (AF)', '733534002|164909002 (CLBBB|LBBB)', 'N|O|~')
    """
    name = "|".join(map(class_name, code.split("|")))
    return code if name == code else f"{code} ({name})"
