"""Feeds what no one should write to the program: `python tests/torture/bad_input.py`.

Scenario files, overrides, channel and image files and weights are drawn by hypothesis.
Each case must end in success or in one sentence with status 2, and what is accepted
must be read back as it was. `--cases` is their number.
"""

import argparse
import itertools
import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import (
    EXAMPLES,
    archives,
    changes,
    impulse_responses,
    one_array_changed,
    overrides,
    perceptual_weights,
    possible_changes,
    scenario_files,
    toml,
    values,
)
from typer.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1] / "link_sim"))

from fake_link import FakeLink

from link_sim import cli
from link_sim.cli import terminal
from link_sim.engine import batches, results, versions
from link_sim.experiments.link import Link
from link_sim.models import pretrained
from link_sim.scenarios import loading
from link_sim.scenarios.base import Scenario, ScenarioError
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.loading import load_scenario, parse_scenario
from link_sim.show import plots

BATCHES = 12
"""After so many a run of the stand-in link is stopped, as by Ctrl-C."""
SECONDS = 60
"""A case that takes longer hangs."""


class Hang(BaseException):
    """What no code under test catches."""


def hang(*_) -> None:
    raise Hang


def run_bad_scenario(content: bytes, extra: list[str]) -> None:
    """One case: a scenario file and overrides, through the command line, twice."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "mine.toml", Path(folder) / "out"
        file.write_bytes(content)
        options = [part for text in extra for part in ("--set", text)]
        arguments = ["run", str(file), "--out", str(out), *options]
        for _ in range(2):
            with stand_in_link():
                result = CliRunner().invoke(cli.app, arguments)
            answered(result)
        if result.exit_code != 2:
            stored = (out / "scenario.toml").read_text()
            assert parse_scenario(stored) == load_scenario(str(file), extra)
            assert results.load_results(out)[1]


def run_bad_batch(scenario: Scenario, changed: dict) -> None:
    """One case: a small batch of the real program, and its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "mine.toml", Path(folder) / "out"
        file.write_text(scenario.to_toml())
        changed = {"sweep.points": [scenario.sweep.points[0]], **changed}
        changed |= {"batch_size": 2, "stop.max_batches": 1}
        settings = [f"{key}={toml(value)}" for key, value in changed.items()]
        options = [part for text in settings for part in ("--set", text)]
        arguments = ["run", str(file), "--out", str(out), *options]
        answered(CliRunner().invoke(cli.app, arguments))


def build_bad_link(changed: dict) -> None:
    """One case: a scenario whose link is built by Sionna, if it is accepted."""
    settings = [f"{key}={toml(value)}" for key, value in changed.items()]
    try:
        Link(load_scenario("smoke", ["batch_size=2", *settings]))
    except ScenarioError as error:
        sentence(error)


def answered(result) -> None:
    """Asserts success, the stop after enough batches, or one sentence and status 2."""
    about = f"{result.stdout}\n{result.stderr}\n{result.exception!r}"
    assert isinstance(result.exception, (SystemExit, type(None))), about
    assert result.exit_code in (0, 2, 130), about
    if result.exit_code == 2:
        assert result.stderr.count("\n") == 1, about
        assert result.stderr.startswith("link-sim: "), about
        sentence(result.stderr.strip())


@contextmanager
def stand_in_link() -> Iterator[None]:
    """All kinds open the stand-in link, and Ctrl-C follows after enough batches."""
    numbers, draw = itertools.count(), FakeLink.draw

    def limited(link, at, batch_index):
        if next(numbers) >= BATCHES:
            raise KeyboardInterrupt
        return draw(link, at, batch_index)

    with ExitStack() as stack:
        for kind in loading.KINDS.values():
            stack.enter_context(patch.object(kind, "opens", "fake_link:FakeLink"))
        stack.enter_context(patch.object(FakeLink, "draw", limited))
        stack.callback(batches._live.cache_clear)
        batches._live.cache_clear()
        yield


def draw_nothing() -> None:
    """Has the command line draw nothing and ask for no versions."""
    versions.of_today = lambda scenario: {}
    terminal.load_tensorflow = lambda console: None
    plots.save_plots = plots.save_strip = lambda *arguments: None


def read_bad_channel(content: bytes) -> None:
    """One case: a channel file, whose channels have energy 1 if it is accepted."""
    from link_sim.world.channel import Channel

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cir.npz"
        file.write_bytes(content)
        chosen = ["channel.model=cir", f"channel.file={file}", "antennas.receive=1"]
        scenario = load_scenario("smoke", [*chosen, "grid.symbols=12"])
        try:
            h = Channel(scenario)(2).numpy()
        except ScenarioError as error:
            sentence(error)
            return
        assert np.isfinite(h).all()
        energy = (np.abs(h) ** 2).mean(axis=(1, 2, 3, 4, 5, 6))
        assert np.allclose(energy, 1, atol=1e-4), energy


def read_bad_images(content: bytes, suffix: str) -> None:
    """One case: an image file, which holds 8-bit images if it is accepted."""
    from link_sim.world.sources import load_images

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"images{suffix}"
        file.write_bytes(content)
        chosen = [f"payload.source={file}", "payload.num_images=1"]
        payload = load_scenario("smoke", chosen).payload
        try:
            images = load_images(payload)
        except ScenarioError as error:
            sentence(error)
            return
        assert images.dtype == np.uint8 and images.ndim == 4 and images.shape[0] == 1


def read_bad_perceptual_weights(changed: dict, length: int | None) -> None:
    """One case: LPIPS weights, which measure two pictures if they are accepted."""
    from link_sim.metrics.lpips import LPIPS

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "alex.npz"
        file.write_bytes(perceptual_weights(changed)[:length])
        image = np.zeros((2, 32, 32, 3), "float32")
        try:
            distance = LPIPS(DataFile(path=str(file)))(image, image)
        except ScenarioError as error:
            sentence(error)
            return
        assert np.isfinite(distance).all(), distance


def read_bad_weights(content: bytes, card: str | None) -> None:
    """One case: a file of weights and its card, which the hash protects."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.npz"
        file.write_bytes(content)
        whole = {"summary": "", "sha256": pretrained._sha256(file), "architecture": {}}
        text = json.dumps(whole) if card is None else card
        file.with_suffix(".json").write_text(text, errors="replace")
        try:
            pretrained.load_model(str(file))
        except ValueError as error:
            sentence(error)
            return
        raise AssertionError("weights without an architecture were accepted")


def sentence(error: ValueError | str) -> None:
    text = str(error)
    assert text and "\n" not in text, error
    assert "Traceback" not in text and "in user code" not in text, error


def any_of(*strategies):
    """A scenario, and what these functions of it draw."""
    return st.sampled_from(EXAMPLES).flatmap(
        lambda scenario: st.tuples(*(draw(scenario) for draw in strategies))
    )


KINDS = {
    "scenarios": (run_bad_scenario, any_of(scenario_files, overrides)),
    "batches": (run_bad_batch, any_of(st.just, possible_changes)),
    "links": (build_bad_link, st.tuples(changes(EXAMPLES[0]))),
    "channels": (
        read_bad_channel,
        st.tuples(archives(("a", "tau")) | impulse_responses()),
    ),
    "images": (
        read_bad_images,
        st.tuples(
            archives(("images",)) | st.binary(max_size=99),
            st.sampled_from([".npz", ".png", ".bmp"]),
        ),
    ),
    "weights": (
        read_bad_weights,
        st.tuples(
            archives(("000", "001")),
            st.none() | st.text(max_size=9) | values.map(toml),
        ),
    ),
    "lpips": (
        read_bad_perceptual_weights,
        st.tuples(one_array_changed(), st.none() | st.integers(0, 5_000_000)),
    ),
}
SHARES = {
    "scenarios": 0.63, "batches": 0.02, "links": 0.05, "channels": 0.1, "images": 0.1,
    "weights": 0.05, "lpips": 0.05,
}  # fmt: skip


def feed(kind: str, cases: int) -> int:
    """Runs cases of one kind; how many there were."""
    check, arguments = KINDS[kind]
    done = 0

    @settings(
        max_examples=cases,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(arguments)
    def case(arguments):
        nonlocal done
        done += 1
        signal.alarm(SECONDS)
        try:
            check(*arguments)
        except Hang:
            raise AssertionError(f"no answer in {SECONDS} s") from None
        finally:
            signal.alarm(0)

    case()
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], help="[all]")
    parser.add_argument("--cases", type=int, default=2000)
    chosen = parser.parse_args()
    draw_nothing()
    signal.signal(signal.SIGALRM, hang)
    for kind in chosen.kinds or KINDS:
        cases = feed(kind, max(1, round(SHARES[kind] * chosen.cases)))
        print(f"{kind}: {cases} cases, each a success or one sentence", flush=True)


if __name__ == "__main__":
    main()
