import json
import re
import shutil
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser

import pytest

from link_sim.engine import montecarlo, results, versions
from link_sim.engine.executors import InProcessExecutor
from link_sim.scenarios.loading import load_scenario
from link_sim.show.report import write_report


@pytest.fixture
def still(monkeypatch):
    """Reports as they are without plotly."""
    monkeypatch.setitem(sys.modules, "plotly", None)


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


def test_the_report_is_whole_and_needs_nothing_else(still, page):
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


def test_plots_come_first_and_the_command_is_told(still, page):
    places = [page.index(f"<h2>{x}</h2>") for x in ("Plots", "Results", "To repeat it")]
    assert places == sorted(places)
    assert "link-sim run scenario.toml --out again" in page


def test_plots_can_be_clicked_where_plotly_is(page):
    pytest.importorskip("plotly")
    assert page.count("Plotly.newPlot(") == 4
    assert page.count("plotly.js v") == 1  # the script itself, for all
    assert not re.search(r"<script[^>]* src=", page)


MEASURE = """
<iframe src="report.html" width="{width}" height="800"></iframe>
<script>
addEventListener("load", () => setTimeout(() => {{
  const page = document.querySelector("iframe").contentDocument;
  const style = x => getComputedStyle(page.querySelector(x)).position;
  const found = {{
    wide: page.documentElement.scrollWidth, head: style("thead th"),
    first: style("tbody td"), plots: page.querySelectorAll(".plots > *").length,
    drawn: page.querySelectorAll(".plots svg, .plots img").length,
    curves: page.querySelectorAll(".plots .scatterlayer .trace").length,
  }};
  document.title = JSON.stringify(found);
}}, 500));
</script>
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
def test_the_report_fits_a_browser(page, tmp_path, width):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    (tmp_path / "frame.html").write_text(MEASURE.format(width=width))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--allow-file-access-from-files", "--virtual-time-budget=20000"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,900"]
    command.append((tmp_path / "frame.html").as_uri())
    dom = subprocess.run(command, capture_output=True, text=True, timeout=240).stdout
    found = json.loads(re.search(r"<title>(.*?)</title>", dom)[1])
    assert found["wide"] <= width
    assert found["head"] == found["first"] == "sticky"
    assert found["plots"] == 4 and found["drawn"] >= 4
    assert found["curves"] >= 12 or "Plotly.newPlot" not in page


def test_values_are_those_of_the_table(still, page, tmp_path):
    scenario, lines = results.load_results(tmp_path)
    tallies = montecarlo.tally(scenario.sweep.points, scenario.stop, lines)
    for row in results.rows(scenario, tallies):
        if row["metric"] == "psnr":
            assert f"<td>{row['value']:.1f} [{row['low']:.1f}, " in page


def test_a_curve_to_click_is_broken_where_no_error_was_seen():
    pytest.importorskip("plotly")
    from link_sim.show.interactive import interactive

    row = {"metric": "ber", "axis": "ebno_db", "count": 5, "receiver": "ls"}
    values = (0, 0.1, 0.09, 0.11), (1, 0.0, 0.0, 0.001), (2, 0.01, 0.009, 0.02)
    keys = "point", "value", "low", "high"
    drawn = interactive([row | dict(zip(keys, v, strict=True)) for v in values])["ber"]
    assert '"y":[0.1,null,0.01]' in drawn
    assert '"y":[0.005]' in drawn  # the point without errors, below all that was seen
