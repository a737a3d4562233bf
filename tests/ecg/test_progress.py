"""Progress: bars count what is done; the start of processes is not in the rate."""

import sys

import pytest
import tqdm

from ecg.progress import count_one, progress_bar


class Terminal:
    """A terminal that keeps what is written to it."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_the_first_result_of_a_starting_process_is_not_in_the_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: now[0])
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("reading", 1000, "rec") as shown:
        now[0] += 8.0  # processes start
        for _ in range(10):
            count_one(shown)
            now[0] += 0.5
        shown.refresh()
        assert shown.format_dict["n"] == 10
        assert shown.format_dict["elapsed"] == 5.0
    assert "[02:1" not in terminal.text, "1000 records in 8 s each are more than two hours"
    assert "2:13:" not in terminal.text


@pytest.mark.parametrize(("total", "shown"), [(0, False), (3, True)])
def test_nothing_is_shown_where_there_is_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, total: int, shown: bool
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("rules", total, "rec"):
        pass
    assert ("rules" in terminal.text) == shown
