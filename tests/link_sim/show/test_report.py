import json
import re
from functools import partial
from html.parser import HTMLParser

import pytest

from link_sim.engine import montecarlo, results, versions
from link_sim.engine.executors import InProcessExecutor
from link_sim.scenarios.loading import load_scenario
from link_sim.show.report import write_report


@pytest.fixture
def page(tmp_path, fake_link, monkeypatch):
    """The report of a run whose description is out for mischief."""
    monkeypatch.setattr(versions, "of_today", lambda scenario: {"python": "<3>"})
    evil = "description=<script>alert(1)</script> & more"
    scenario = load_scenario("smoke", [evil])
    with results.open_results(tmp_path, scenario) as stored:
        tallies = montecarlo.tally(scenario.sweep.points, scenario.stop)
        run_batch = partial(fake_link.run_batch, scenario.to_toml())
        for line in montecarlo.sweep(run_batch, tallies, InProcessExecutor(), 0):
            stored.append(line)
    (tmp_path / "strip.png").write_bytes(b"\x89PNG")
    return write_report(tmp_path, scenario, tallies).read_text()


class Reader(HTMLParser):
    """Collects the tags, what they refer to, and the text."""

    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_report_is_whole_and_needs_nothing_else(page):
    reader = Reader()
    reader.feed(page)
    assert all(address.startswith("data:image/") for address in reader.addresses)
    assert len(reader.addresses) == 5  # ber, bler, psnr, nmse, strip
    assert "link" not in reader.tags and "script" not in reader.tags
    assert not re.search(r"url\(|@import|http", re.sub('base64,[^"]*', "", page))
    scenario = load_scenario("smoke")
    assert all(f"<td>{name}</td>" in page for name in scenario.receivers)
    assert "Block error rate" in reader.text and "Eb/N0 [dB] = 6 (2 batches)" in page
    assert "<script>alert(1)</script> & more" in reader.text  # as text
    assert json.dumps({"python": "<3>"}, indent=1) in reader.text


def test_values_are_those_of_the_table(page, tmp_path):
    scenario, lines = results.load_results(tmp_path)
    tallies = montecarlo.tally(scenario.sweep.points, scenario.stop, lines)
    for row in results.rows(scenario, tallies):
        if row["metric"] == "psnr":
            assert f"<td>{row['value']:.1f} [{row['low']:.1f}, " in page
