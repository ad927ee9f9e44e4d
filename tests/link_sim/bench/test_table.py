import subprocess
import sys

import pytest
from typer.testing import CliRunner

from link_sim.bench.table import BENCHES
from link_sim.cli import app


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_opens_as_a_function(name):
    assert BENCHES[name].open().__name__ == f"bench_{name}"


def test_the_table_is_read_without_tensorflow():
    code = (
        "import sys; import link_sim.bench.table\n"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_bench_is_answered_in_one_sentence():
    result = CliRunner().invoke(app, ["bench", "speed"])
    assert result.exit_code == 2
    assert "no bench 'speed': use link" in result.output
