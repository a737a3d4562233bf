"""The 2021 Challenge's helper functions: names, arguments and results of the organisers' module.

`header` is the text of a .hea file.  Source: python-classifier-2021 (BSD-2-Clause); no code is
copied.  The organisers replace this file by theirs, so our code uses only what theirs provides.
Where we differ:
  - headers with blanks, blank lines or comments where the official functions expect none are read
    as by `ecg.header_text`;
  - headers of the second dialect (`# Age: 74`, `1000.0(0)/mV`) are read; the official functions
    return no age, sex and label for them, and gains of 0.  For headers of the first dialect, errors
    included, results are the official ones;
  - a file that cannot be read raises a `LeadwiseError` that names it;
  - output files are written atomically.
"""

import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ecg import LeadwiseError
from ecg.header_text import split_header
from ecg.labels import is_code, read_codes
from ecg.leads import LEAD_SETS
from ecg.leads import sort_leads as sort_leads
from ecg.matlab import read_mat
from scoring import outputs

twelve_leads = LEAD_SETS[12]
six_leads = LEAD_SETS[6]
four_leads = LEAD_SETS[4]
three_leads = LEAD_SETS[3]
two_leads = LEAD_SETS[2]
lead_sets = (twelve_leads, six_leads, four_leads, three_leads, two_leads)


def is_number(x: Any) -> bool:
    """Return whether `float` accepts it: `'nan'`, `' 2 '` and True are numbers."""
    try:
        float(x)
    except (ValueError, TypeError):
        return False
    return True


def is_integer(x: Any) -> bool:
    """Return whether it is a whole number: `'1.0'` and `'1e3'` are."""
    return is_number(x) and float(x).is_integer()


def is_finite_number(x: Any) -> bool:
    """Return whether it is a number other than NaN and ±infinity."""
    return is_number(x) and math.isfinite(float(x))


def find_challenge_files(data_directory: str) -> tuple[list[str], list[str]]:
    """Find the pairs of `NAME.hea` and `NAME.mat` in a folder, without its subfolders.

    Returns
    -------
    header_files, recording_files : list of str
        Paths, sorted by file name; hidden files are left out.
    """
    headers, recordings = [], []
    for file in sorted(os.listdir(data_directory)):
        stem, ending = os.path.splitext(os.path.join(data_directory, file))
        if ending == ".hea" and file[0] != "." and os.path.isfile(stem + ending):
            if os.path.isfile(stem + ".mat"):
                headers.append(stem + ".hea")
                recordings.append(stem + ".mat")
    return headers, recordings


def load_header(header_file: str) -> str:
    """Read the text of a header, every line end as LF; bytes that are not UTF-8 are replaced."""
    return outputs.read_text(os.fspath(header_file), errors="replace")


def load_recording(
    recording_file: str,
    header: str | None = None,
    leads: Sequence[str] | None = None,
    key: str = "val",
) -> np.ndarray:
    """Read the digital units of a MATLAB file, as `scipy.io.loadmat(recording_file)[key]` does.

    Parameters
    ----------
    recording_file : str
        The .mat file, with or without its ending.
    header : str, optional
        The text of the header.
    leads : sequence of str, optional
        With a header, the leads to return; by default all.
    key : str
        Name of the variable.

    Returns
    -------
    np.ndarray of shape (leads, samples)
        As stored, usually int16.

    Raises
    ------
    LeadwiseError
        The file is missing or truncated, or has no matrix of this name.
    """
    stem, ending = os.path.splitext(recording_file)
    path = stem + ".mat" if ending == ".mat" else f"{recording_file}.mat"
    recording = np.require(read_mat(path, os.path.basename(stem), key), requirements=("C", "W"))
    return choose_leads(recording, header, leads) if header and leads else recording


def choose_leads(recording: np.ndarray, header: str, leads: Sequence[str]) -> np.ndarray:
    """Return the rows of `leads`, in this order; zeros for a lead that the header lacks."""
    rows = np.zeros((len(leads), np.shape(recording)[1]), recording.dtype)
    available = get_leads(header)
    for index, lead in enumerate(leads):
        if lead in available:
            rows[index] = recording[available.index(lead)]
    return rows


def get_recording_id(header: str) -> str:
    """Return the first word of line 1, unchanged (`E00271.mat` in Georgia)."""
    return _lines(header)[0].split(" ")[0]


def get_leads(header: str) -> tuple[str, ...]:
    """Return the name in each lead's line: its last field.

    Raises
    ------
    ValueError, IndexError
        Line 1 has no number of leads.
    """
    return tuple(_lead_of(words) for words in _lead_lines(header))


def get_age(header: str) -> float | None:
    """Return the age in years; NaN if it is not a number, None without such a line."""
    ages = _comments(header, "Age")
    if not ages:
        return None
    return float(ages[-1]) if ages[-1] is not None and is_number(ages[-1]) else math.nan


def get_sex(header: str) -> str | None:
    """Return the sex as written; None without such a line."""
    sexes = [sex.strip() for sex in _comments(header, "Sex") if sex is not None]
    return sexes[-1] if sexes else None


def get_num_leads(header: str) -> float | None:
    """Return the number of leads, the second word of line 1; None if it is no number."""
    return _number_in_line_1(header, 1)


def get_frequency(header: str) -> float | None:
    """Return the sampling frequency in Hz, the third word of line 1; None if it is no number."""
    return _number_in_line_1(header, 2)


def get_num_samples(header: str) -> float | None:
    """Return the number of samples, the fourth word of line 1; None if it is no number."""
    return _number_in_line_1(header, 3)


def get_adc_gains(header: str, leads: Sequence[str]) -> np.ndarray:
    """Return the gains in adu per unit, in the order of `leads`; 0 for a missing gain."""
    return _numbers_of_leads(header, leads, 2)


def get_baselines(header: str, leads: Sequence[str]) -> np.ndarray:
    """Return the adu that mean 0 mV, in the order of `leads`; 0 for a missing baseline.

    The first dialect has no field for a baseline (the second has parentheses): its ADC zero is
    returned, as officially.
    """
    return _numbers_of_leads(header, leads, 4)


def get_labels(header: str) -> list[str]:
    """Return the codes of the Dx lines, empty entries and repeats included."""
    labels: list[str] = []
    for text in _comments(header, "Dx"):
        if text is not None:
            codes = [code.strip() for code in text.split(",")]
            official = all(is_code(code) or not code for code in codes)
            labels += codes if official else read_codes(f"#Dx: {text}")
    return labels


def save_outputs(
    output_file: str,
    recording_id: str,
    classes: Iterable[str],
    labels: Iterable[object],
    probabilities: Iterable[object],
) -> None:
    """Write an output file; three empty rows mean a failed record.

    Raises
    ------
    LeadwiseError
        The file cannot be written; no partial file is left.
    """
    outputs.save_outputs(output_file, recording_id, classes, labels, probabilities)


def load_outputs(
    output_file: str,
) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[float, ...]]:
    """Read an output file.

    Returns
    -------
    recording_id : str
        With its line end, as officially.
    classes, labels : tuple of str
    probabilities : tuple of float
        NaN for cells that are not finite numbers.

    Raises
    ------
    LeadwiseError
        The file cannot be read or has fewer than four lines.
    """
    lines = outputs.read_text(os.fspath(output_file)).splitlines(keepends=True)
    if len(lines) < 4:
        raise LeadwiseError(f"{output_file}: an output file has four lines, this one {len(lines)}")
    classes, labels, cells = [tuple(map(str.strip, row.split(","))) for row in lines[1:4]]
    probabilities = tuple(float(cell) if is_finite_number(cell) else math.nan for cell in cells)
    return lines[0][1:], classes, labels, probabilities


def _lines(header: str) -> list[str]:
    """Give the lines as the official functions expect them: line 1, leads, comments."""
    rows, comments = split_header(header)
    line_1 = " ".join(" ".join(rows[:1]).split())
    return [line_1, *(row.replace("\t", " ") for row in rows[1:]), *comments]


def _lead_of(words: list[str]) -> str:
    """Return the last field of a lead's line; a name may have several words."""
    return " ".join(" ".join(words).split(None, 8)[8:]) or words[-1]


def _lead_lines(header: str) -> list[list[str]]:
    """Split the leads' lines into words, at single blanks as officially."""
    lines = _lines(header)
    count = int(lines[0].split(" ")[1])
    return [line.split(" ") for line in lines[1 : max(0, count) + 1]]


def _comments(header: str, key: str) -> list[str | None]:
    """Return the text after `: ` of each line `#Key` or `# Key`; None for a line without `: `."""
    lines = [line for line in _lines(header) if line.startswith((f"#{key}", f"# {key}"))]
    return [line.split(": ")[1] if ": " in line else None for line in lines]


def _number_in_line_1(header: str, word: int) -> float | None:
    words = _lines(header)[0].split(" ")
    return float(words[word]) if len(words) > word and is_number(words[word]) else None


def _numbers_of_leads(header: str, leads: Sequence[str], word: int) -> np.ndarray:
    """Parse the number at the start of a word of each lead's line."""
    numbers = np.zeros(len(leads))
    for words in _lead_lines(header):
        if _lead_of(words) in leads and len(words) > word:
            if _in_second_dialect(header):
                words = _in_first_dialect(words)
            number = words[word].split("/")[0]
            if is_number(number):
                numbers[leads.index(_lead_of(words))] = float(number)
    return numbers


def _in_second_dialect(header: str) -> bool:
    """Detect the dialect by the comments; parentheses have no meaning in the first."""
    return not any(line.startswith(("#Age", "#Sex", "#Dx")) for line in _lines(header))


def _in_first_dialect(words: list[str]) -> list[str]:
    """Convert a lead's line of the second dialect, `… 1000.0(7)/mV 16 0 …`: `… 1000.0 16 7 …`."""
    gain, bracket, baseline = words[2].partition("(")
    if not bracket or len(words) < 6:
        return words
    return [*words[:2], gain, words[3], baseline.partition(")")[0], *words[5:]]
