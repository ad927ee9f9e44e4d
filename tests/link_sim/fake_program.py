"""`link-sim` with the stand-in for its link: `python fake_program.py run smoke …`."""

import sys

import fake_link

import link_sim
from link_sim import cli
from link_sim.engine import versions

sys.modules["link_sim.engine.batches"] = link_sim.engine.batches = fake_link
versions.of_today = dict
cli._load_tensorflow = lambda console: None

if __name__ == "__main__":
    cli.main()
