"""Every documented choice runs: channel models by kinds of experiment, and receivers.

Experiments are shared: only what a choice changes is built for it.
"""

from functools import cache
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from link_sim.engine.batches import plain
from link_sim.experiments.link import Link
from link_sim.experiments.semantic import SemanticLink
from link_sim.receivers.catalog import DECODERS, DETECTORS, ESTIMATORS
from link_sim.scenarios.loading import load_scenario
from link_sim.scenarios.radio import Channel as ChannelSection
from link_sim.world.channel import Channel
from link_sim.world.shared_grid import SharedGrid
from link_sim.world.sources import evaluation_digits

pytestmark = pytest.mark.usefixtures("eager")

MODELS = get_args(ChannelSection.model_fields["model"].annotation)
SHARED = "cdl-b", "cdl-c", "cdl-e", "uma", "rma", "near-field"
"""Models of the same code as another, or of little: they are not traced once more."""
CODE_ONLY = [name for name in DECODERS if not name.startswith("turbo")]
"""Decoders that take images of any size; for the others see `test_joint`."""
QUICK = "linear", "ep", "amp", "amp-gnn"
"""Detectors that are not made of others."""
BITS = 2 * (12 * 12 * 8 + 24)
"""Of two images with their CRC."""
TINY = [
    "batch_size=2",
    "grid.fft_size=26",
    "antennas={transmit=2, streams=2, receive=2, polarisation='dual'}",
]


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory):
    """Images of 12x12 pixels, and channels of two examples."""
    folder, rng = tmp_path_factory.mktemp("matrix"), np.random.default_rng(1)
    np.savez(folder / "small.npz", images=evaluation_digits()[:2, 8:20, 8:20])
    a = rng.standard_normal((2, 2, 2, 3, 1, 2)) @ [1, 1j]
    np.savez(folder / "cir.npz", a=a, tau=rng.uniform(0, 1e-6, (2, 3)))
    h = rng.standard_normal((2, 2, 2, 26, 1, 2)) @ [1, 1j]
    np.savez(folder / "cfr.npz", h=h, spacing=30e3)
    LINK.append(f"payload.source={folder / 'small.npz'}")
    FILES.update({m: f"channel.file={folder / m}.npz" for m in ("cir", "cfr")})
    yield
    LINK.pop()
    live.cache_clear()


LINK = ["payload.num_images=2", "code.iterations=2", "sweep.points=[40]"]
LINK += ["code.bits_per_symbol=4"]
SEMANTIC = ["payload.num_images=4", "sweep.points=[0.05]", "sweep.esno_db=20"]
FILES = {}


@pytest.fixture(autouse=True)
def traced_only(monkeypatch):
    """Graphs are traced, where choices clash, and not compiled, which takes longer."""
    function = tf.function

    def plain_function(*arguments, jit_compile=None, **options):
        return function(*arguments, **options)

    monkeypatch.setattr(tf, "function", plain_function)


@cache
def live(kind):
    """An experiment of a kind over Rayleigh fading, and a batch of it."""
    if kind == "link":
        settings = [*TINY, *LINK, "channel.model=rayleigh"]
        experiment = Link(load_scenario("image", settings), ["perfect-csi", "ls"])
    else:
        settings = [*TINY, *SEMANTIC, "channel.model=rayleigh"]
        settings.append('receivers=["perfect-csi+ae"]')
        experiment = SemanticLink(load_scenario("semantic", settings))
    at = experiment.scenario.at(experiment.scenario.sweep.points[0])
    return experiment, experiment.draw(at, 0)


def scenario_with(kind, model):
    name, own = ("image", LINK) if kind == "link" else ("semantic", SEMANTIC)
    file = [FILES[model]] if model in FILES else []
    single = ["antennas.polarisation=single"] if model == "site" else []
    settings = [*TINY, *single, *own, f"channel.model={model}", *file]
    return load_scenario(name, settings)


@pytest.mark.graphs
@pytest.mark.parametrize("model", MODELS)
def test_every_channel_carries_every_kind(model):
    link, frames = live("link")
    channel = Channel(scenario_with("link", model), link.transmitter.grids_per_frame)
    tf.config.run_functions_eagerly(model in SHARED)
    h = tf.function(channel, autograph=False)(tf.constant(2))
    tf.config.run_functions_eagerly(False)
    y = tf.einsum("brxtmsf,btmsf->brxsf", h, frames.x_rg)
    for counts in plain(link.count(frames._replace(h=h, y=y))).values():
        assert counts["bits"] == BITS and all(map(np.isfinite, counts.values()))

    semantic, world = live("semantic")
    count = next(iter(world.x.values())).shape[-1]
    grid = SharedGrid(scenario_with("semantic", model), count)
    tf.config.run_functions_eagerly(True)  # the channel was traced above
    h, noise = grid.draw(tf.constant(2), tf.constant(0.01))
    tf.config.run_functions_eagerly(False)
    assert h.shape == world.h.shape
    (counts,) = plain(semantic.count(world._replace(h=h, noise=noise))).values()
    assert counts["frames"] == 2 and all(map(np.isfinite, counts.values()))


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([*ESTIMATORS], id="estimators"),
        pytest.param([f"perfect-csi+{d}" for d in QUICK], id="detectors"),
        pytest.param([f"perfect-csi+{d}" for d in CODE_ONLY], id="decoders"),
        pytest.param(
            [f"{e}+{d}+{c}" for e in ESTIMATORS for d in DETECTORS for c in CODE_ONLY],
            id="all",
            marks=[pytest.mark.slow, pytest.mark.graphs],
        ),
    ],
)
def test_every_receiver_gets_through_a_channel_without_noise(names):
    link = Link(scenario_with("link", "tdl-a"), names)
    counts = plain(link.count(link.draw(link.scenario.at(40.0), 0)))
    assert counts.keys() == set(names)
    for name, sums in counts.items():
        assert sums["bits"] == BITS and sums["bit_errors"] < 0.1 * BITS, name
