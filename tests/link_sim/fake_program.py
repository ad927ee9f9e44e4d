"""`link-sim` with the stand-in for its link: `python fake_program.py run smoke …`."""

from link_sim import cli
from link_sim.cli import terminal
from link_sim.engine import versions
from link_sim.scenarios.link import LinkScenario

LinkScenario.opens = "fake_link:FakeLink"
versions.of_today = lambda scenario: {}
terminal.load_tensorflow = lambda console: None

if __name__ == "__main__":
    cli.main()
