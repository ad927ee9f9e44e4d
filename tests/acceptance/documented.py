"""The `link-sim` commands of README and documentation, read off their pages."""

import json
import re
import shlex
from pathlib import Path

import typer

from link_sim import cli
from link_sim.cli import simulating
from link_sim.engine.executors import open_executor
from link_sim.engine.shards import Shard
from link_sim.receivers import names
from link_sim.scenarios.loading import load_scenario

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {path: path.read_text() for path in sorted(DOCS.rglob("*.md"))}
GUIDES = {DOCS.parent / name: (DOCS.parent / name).read_text() for name in (
    "README.md", "CONTRIBUTING.md",
)} | PAGES  # fmt: skip
VALUES = {
    "SLURM_ARRAY_TASK_ID": "8",
    "kind": "ae",
    "esno": "10",
    "address": "192.0.2.1:8786",
}
"""Of the variables in commands."""
EXAMPLES = [
    x for page in PAGES.values() for x in re.findall(r"```toml\n(.*?)```", page, re.S)
]


def commands(text):
    """Arguments of the `link-sim` commands in code of a page, a list each."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)
    lines = "\n".join([*blocks, *re.findall(r"^ {4}(.*)", plain, re.M)])
    found = re.findall(r"(?:^|; do |uvx --from \. )link-sim (.*)", lines, re.M)
    found += re.findall(
        r"`link-sim ([^`]+)`", re.sub(r"^ {4}.*", "", plain, flags=re.M)
    )
    return [shlex.split(shell(line), comments=True) for line in found]


def shell(line):
    """A line with a value for each of its variables, up to the end of the command."""
    line = re.sub(r"\$(\w+)", lambda name: VALUES[name[1]], line)
    return line.partition(";")[0]


def parsed(arguments, given=True):
    """What the command line makes of a command's arguments; nothing is run."""
    commands = typer.main.get_command(cli.app).commands
    assert arguments[0] in commands
    context = commands[arguments[0]].make_context(
        arguments[0], arguments[1:], resilient_parsing=not given
    )
    return context.params


def checked_run(options):
    """The folder and the scenario of a `run`; raises what the command would."""
    overrides = list(options["settings"])
    if options["receivers"]:
        overrides.append(f"receivers={json.dumps(options['receivers'].split(','))}")
    scenario = load_scenario(options["scenario"], overrides)
    names.check_receivers(scenario.kind, scenario.receivers)
    shard = Shard.parse(options["shard"])
    shard.stop(scenario.stop)
    open_executor(options["executor"])
    default = simulating.default_folder(options["scenario"], scenario, shard)
    return options["out"] or default, scenario


RUNS = {
    path.stem: json.loads(path.read_text())
    for path in sorted((DOCS / "results" / "runs").glob("*.json"))
}
"""Those that pages are made of, by name."""
COMMANDS = [
    (str(path.relative_to(DOCS.parent)), arguments)
    for path, text in GUIDES.items()
    for arguments in commands(text)
] + [(name, shlex.split(run["command"])[1:]) for name, run in RUNS.items()]
