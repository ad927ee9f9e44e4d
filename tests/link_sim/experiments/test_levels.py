"""Noise and energy against the axis, for scenarios drawn at random."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sionna.phy import config

from link_sim.experiments.link import Link
from link_sim.scenarios.loading import ScenarioError, load_scenario
from link_sim.world.sources import evaluation_digits

pytestmark = pytest.mark.usefixtures("eager")

FRAMES = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with images of 4x4 pixels."""
    made = tmp_path_factory.mktemp("levels")
    np.savez(made / "small.npz", images=evaluation_digits()[:4, 12:16, 12:16])
    return made


def file_of(place, receive, transmit):
    """Correlated channels of a file, of examples with unlike energies."""
    path, rng = place / f"{receive}-{transmit}.npz", np.random.default_rng(receive)
    a = rng.standard_normal((40, receive, transmit, 3, 1, 2)) @ [1, 1j] + 1
    a *= 10 ** rng.uniform(-0.5, 0.5, (40, 1, 1, 1, 1))
    np.savez(path, a=a, tau=rng.uniform(0, 3e-6, (40, 3)))
    return path


@st.composite
def choices(draw):
    streams = draw(st.integers(1, 3))
    ends = [streams + draw(st.integers(0, 2)) for _ in range(2)]
    model = draw(
        st.sampled_from("awgn rayleigh tdl-a tdl-d cdl-a cdl-d umi uma cir".split())
    )
    return {
        "antennas": "{{transmit={}, receive={}, streams={}}}".format(*ends, streams),
        "channel.model": model,
        "channel.normalise": draw(st.sampled_from([None, "frame", "file"])),
        "sweep.axis": draw(st.sampled_from(["esno_db", "ebno_db"])),
        "sweep.points": [draw(st.integers(-10, 30))],
        "code.bits_per_symbol": draw(st.sampled_from([2, 4, 6, 8])),
        "code.rate": round(draw(st.floats(0.2, 0.9)), 3),
        "grid.fft_size": draw(st.integers(20, 40)),
        "grid.cyclic_prefix": draw(st.integers(0, 9)),
        "grid.dc_null": str(draw(st.booleans())).lower(),
        "grid.pilot_symbols": draw(st.sampled_from([[2], [2, 11], [0, 5, 9]])),
        "grid.pilot_spacing": draw(st.integers(1, 3)),
        "payload.num_images": 4,
    }, (ends[1], ends[0])


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(choices())
def test_energy_and_noise_are_those_of_the_axis(place, chosen):
    values, ends = chosen
    values |= {"payload.source": place / "small.npz"}
    if values["channel.model"] == "cir":
        values |= {"channel.file": file_of(place, *ends)}
    made = [f"{key}={value}" for key, value in values.items() if value is not None]
    try:
        link = Link(load_scenario("image", made), ["perfect-csi"])
    except ScenarioError as error:
        assert "\n" not in str(error)
        assume(False)
    at = link.scenario.at(values["sweep.points"][0])
    config.seed = 5
    no = link.noise_variance(at)
    b, c, x_rg, h, y = link.transmit(link.draw_images(FRAMES), no)
    noise = y - tf.einsum("brxtmsf,btmsf->brxsf", h, x_rg)
    # N complex squares have a relative deviation of 1 / sqrt(N)
    measured = np.mean(np.abs(noise) ** 2)
    assert abs(measured / no - 1) < 5 / np.sqrt(tf.size(noise).numpy())
    level = 10 ** (at.level_db / 10)
    if at.level == "ebno_db":
        sender = link.transmitter
        streams, grid = sender.resource_grid.num_streams_per_tx, link.scenario.grid
        sent = np.sum(np.abs(x_rg) ** 2) / streams  # they share the energy
        sent *= 1 + grid.cyclic_prefix / grid.fft_size
        bits = FRAMES * sender.images_per_frame * sender.image_bits
        symbols = np.count_nonzero(x_rg)
        assert abs(sent / bits / no / level - 1) < 5 * 0.7 / np.sqrt(symbols)
        return
    used = np.any(np.asarray(x_rg[0, 0]) != 0, axis=(0, 1))
    energy = np.sum(np.abs(h[:, 0, :, 0]) ** 2, axis=2)[..., used]
    frames = energy.reshape(FRAMES, -1).mean(axis=1)
    error = frames.std() / np.sqrt(len(frames))
    assert abs(frames.mean() / no / level - 1) < 5 * error + 1e-3
