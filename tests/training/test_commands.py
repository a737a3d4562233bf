"""What commands over records share: their exit statuses, their last lines, and their options."""

import argparse
import os
import signal

import pytest

from ecg import LeadwiseError
from training.commands import exit_status, parse_options


def raising(error: BaseException) -> tuple[list[str], int]:
    raise error


@pytest.mark.parametrize(
    ("failed", "allowed", "status"), [([], False, 0), (["R1"], False, 1), (["R1"], True, 0)]
)
def test_failed_records_are_the_status_unless_allowed(
    failed: list[str], allowed: bool, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(lambda: (failed, 3), "", allow_failures=allowed) == status
    printed = capsys.readouterr()
    assert printed.out == "Done.\n"
    assert printed.err == ("1 of 3 records failed: R1\n" if failed else "")


def test_an_error_is_one_line_and_fails_even_if_failures_are_allowed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = LeadwiseError("data: no such folder")
    assert exit_status(lambda: raising(error), "", allow_failures=True) == 1
    assert capsys.readouterr() == ("", "Error: data: no such folder\n")


def test_an_interruption_has_the_status_of_shells(capsys: pytest.CaptureFixture[str]) -> None:
    status = exit_status(lambda: raising(KeyboardInterrupt()), "Half is left", allow_failures=True)
    assert status == 128 + signal.SIGINT
    text = "Interrupted. Half is left; run the same command again.\n"
    assert capsys.readouterr() == ("", text)


def test_the_option_for_names_of_leads_takes_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADWISE_RENAME", "A=I")
    parse_options(argparse.ArgumentParser(), [])
    assert os.environ["LEADWISE_RENAME"] == "A=I"
    options = parse_options(argparse.ArgumentParser(), ["--rename", "MLII=II", "-f"])
    assert (os.environ["LEADWISE_RENAME"], options.allow_failures) == ("MLII=II", True)
    with pytest.raises(SystemExit, match="2"):
        parse_options(argparse.ArgumentParser(), ["--rename", "MLII"])
