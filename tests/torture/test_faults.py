"""The short form of `make torture`."""

import random
import subprocess
import sys
from pathlib import Path

import faults
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", faults.FAULTS)
def test_counts_are_those_of_an_undisturbed_run(name, tmp_path):
    times = 1 if name == "kill-real-link" else 2
    try:
        faults.FAULTS[name](tmp_path, random.Random(2), times)
    except faults.Skipped as reason:
        pytest.skip(str(reason))


def test_bad_input_is_answered_in_one_sentence():
    program = str(Path(__file__).with_name("bad_input.py"))
    subprocess.run([sys.executable, program, "--cases", "100"], check=True)
