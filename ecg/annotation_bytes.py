"""The bytes of an annotation file in WFDB's format, as `wfdb.wrann` writes them.

Of 900,000 marks, a day's waves of one lead, wfdb takes 540 MB of memory; this takes arrays.
"""

import numpy as np

# Source: the WFDB Programmer's Guide, ecgcodes.h.
CODES = {
    "N": 1, "L": 2, "R": 3, "a": 4, "V": 5, "F": 6, "J": 7, "A": 8, "S": 9, "E": 10, "j": 11,
    "/": 12, "Q": 13, "~": 14, '"': 22, "p": 24, "B": 25, "t": 27, "+": 28, "u": 29, "?": 30,
    "e": 34, "n": 35, "f": 38, "(": 39, ")": 40, "r": 41,
}  # fmt: skip
_SKIP, _NUMBER, _SUBTYPE, _NOTE = 59, 60, 61, 63  # codes of the words before or after a mark
_MOST_STEP = 1023  # of a mark's own word, in samples
_MOST_NOTE = 255  # letters
AT_ONCE = 65_536  # marks that are encoded together: limits memory
_END_OF_RATE = bytes([0, 236, 255, 255, 255, 255, 1, 0])  # the note of the rate lies at sample -1


def encode(
    samples: np.ndarray,
    symbols: np.ndarray,
    numbers: np.ndarray,
    notes: np.ndarray,
    fs: float,
    subtypes: np.ndarray | None = None,
) -> bytes:
    """Encode marks.

    Parameters
    ----------
    samples : np.ndarray of int, shape (marks,)
        In ascending order.
    symbols : np.ndarray of str, shape (marks,)
        Keys of `CODES`.
    numbers : np.ndarray of int, shape (marks,)
        WFDB's `num`, 0 to 127.
    notes : np.ndarray of str, shape (marks,)
        ASCII; longer ones are cut at 255 letters.
    fs : float
        Hz.
    subtypes : np.ndarray of int, shape (marks,), optional
        WFDB's `subtyp`, -128 to 127; default: 0 for all.
    """
    subtypes = np.broadcast_to(0, len(samples)) if subtypes is None else subtypes
    rate = _note(f"## time resolution: {int(fs) if fs == int(fs) else fs}")
    content = [(CODES['"'] << 10).to_bytes(2, "little"), rate, _END_OF_RATE]
    sample = number = 0  # of the mark before
    for start in range(0, len(samples), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        steps = np.diff(samples[part], prepend=sample)
        renumbered = np.diff(numbers[part], prepend=number) != 0  # `num` holds until it changes
        others = numbers[part], renumbered, notes[part], subtypes[part]
        content.append(_words(steps, symbols[part], *others))
        sample, number = samples[part][-1], numbers[part][-1]
    return b"".join([*content, bytes(2)])


def _words(
    steps: np.ndarray, symbols: np.ndarray, numbers: np.ndarray, renumbered: np.ndarray,
    notes: np.ndarray, subtypes: np.ndarray,
) -> bytes:  # fmt: skip
    """Encode some marks; `steps` are the samples from the mark before to each."""
    codes = np.zeros(len(steps), np.uint16)
    for symbol in np.unique(symbols).tolist():
        codes[symbols == symbol] = CODES[symbol]
    far = steps > _MOST_STEP
    noted = np.flatnonzero(notes != "")
    texts = {index: _note(str(notes[index])) for index in noted.tolist()}
    typed = subtypes != 0  # holds for its own mark only
    sizes = 1 + 3 * far + typed + renumbered
    sizes[noted] += np.array([len(text) // 2 for text in texts.values()], int)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    words = np.zeros(int(sizes.sum()), "<u2")
    skips = starts[far]
    words[skips] = _SKIP << 10
    words[skips + 1], words[skips + 2] = steps[far] >> 16, steps[far] & 0xFFFF
    own = starts + 3 * far
    words[own] = codes << 10 | np.where(far, 0, steps).astype(np.uint16)
    words[own[renumbered] + 1] = _NUMBER << 10 | numbers[renumbered]
    words[(own + renumbered)[typed] + 1] = _SUBTYPE << 10 | subtypes[typed] & 0xFF
    for index, text in texts.items():
        words[ends[index] - len(text) // 2 : ends[index]] = np.frombuffer(text, "<u2")
    return words.tobytes()


def _note(text: str) -> bytes:
    """Give the words of a note: its code and length, then its letters, padded to whole words."""
    letters = text.encode("ascii", "replace")[:_MOST_NOTE]
    return (_NOTE << 10 | len(letters)).to_bytes(2, "little") + letters + bytes(len(letters) % 2)
