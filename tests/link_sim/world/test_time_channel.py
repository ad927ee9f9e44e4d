import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import cir_to_time_channel

from link_sim.scenarios.loading import ScenarioError, load_scenario
from link_sim.world.time_channel import open_channel

pytestmark = pytest.mark.usefixtures("eager")

SMALL = "grid.fft_size=64", "grid.cyclic_prefix=16", "channel.domain=time"
ENDS = "antennas={transmit=2, streams=2, receive=2}"


def open_with(*overrides, grids=1):
    return open_channel(load_scenario("image", [*SMALL, ENDS, *overrides]), grids)


def symbols(rows, streams=2):
    bits = np.random.default_rng(1).choice([1, -1], (2, rows, 1, streams, 14, 64))
    return tf.constant((bits[0] + 1j * bits[1]) / np.sqrt(2), tf.complex64)


def left_over(channel, x):
    """Energy of what is received beside the product, per antenna and symbol."""
    config.seed = 1
    y, h = channel.send(x)
    product = tf.einsum("brxtmsf,btmsf->brxsf", h, x)
    return np.mean(np.abs(y - product) ** 2, axis=(1, 2, 4)), h, y


def test_taps_are_those_of_sionna():
    channel = open_with("channel.model=tdl-a")
    config.seed = 2
    taps = channel.draw_taps(3)
    config.seed = 2
    steps = taps.shape[5]
    a, tau = channel._impulse_responses(3, steps, channel._bandwidth)
    lags = channel._lags.numpy()
    l_min, l_max = int(lags[0]), int(lags[-1])
    expected = cir_to_time_channel(channel._bandwidth, a, tau, l_min, l_max)
    np.testing.assert_allclose(taps, expected.numpy() / np.sqrt(2), atol=1e-5)


@pytest.mark.parametrize("model", ["awgn", "rayleigh"])
@pytest.mark.parametrize("grids", [1, 2])
def test_a_flat_constant_channel_is_the_product(model, grids):
    channel = open_with(f"channel.model={model}", grids=grids)
    rest, h, _ = left_over(channel, symbols(2 * grids))
    assert rest.max() < 1e-9
    assert h.shape == (2 * grids, 1, 2, 1, 2, 14, 64)
    assert np.allclose(h, h[..., :1], atol=1e-3)


def test_paths_within_the_prefix_do_no_harm_and_those_beyond_do(tmp_path):
    a = np.ones([1, 2, 2, 2, 1]) + 0j
    rest = {}
    for late in (8, 14, 30):  # samples; the window begins 6 early, in a prefix of 16
        path = tmp_path / f"{late}.npz"
        np.savez(path, a=a, tau=np.array([[0, late / (64 * 30e3)]]))
        file = f"channel.file={path}"
        channel = open_with("channel.model=cir", file)
        rest[late], h, _ = left_over(channel, symbols(4))
    assert rest[8].max() < 1e-9
    # half of the energy, 4 or 20 of 64 samples late: as much is lost as comes instead
    for late in (14, 30):
        expected = 2 * 0.5 * (late - 10) / 64
        assert 0.6 * expected < rest[late][:, 1:].mean() < 1.4 * expected


def test_a_fast_channel_has_the_interference_of_its_doppler_spread():
    speed = 300.0
    ends = "antennas={transmit=1, streams=1, receive=1}"
    channel = open_with(
        "channel.model=tdl-a", ends, "channel.delay_spread=1e-9",
        f"channel.speed={speed}", "channel.carrier_frequency=5e9",
    )  # fmt: skip
    rest, h, y = left_over(channel, symbols(60, 1))
    turn = np.pi * speed * 5e9 / 299792458 / 30e3
    frames = rest.mean(axis=1)
    expected = turn**2 / 6  # 0.046; the next term of the series is 2 % of it
    error = frames.std() / np.sqrt(len(frames))
    assert abs(frames.mean() - expected) < 4 * error + 0.03 * expected
    energy = np.mean(np.abs(y) ** 2, axis=(1, 2, 3, 4))
    assert abs(energy.mean() - 1) < 4 * energy.std() / np.sqrt(60)


@pytest.mark.parametrize("model", ["cdl-d", "umi"])
def test_each_frame_has_energy_one(model):
    antennas = "antennas={transmit=4, streams=2, receive=2}"
    channel = open_with(f"channel.model={model}", antennas, "sweep.axis=esno_db")
    h = channel(tf.constant(4)).numpy()
    energy = np.sum(np.abs(h) ** 2, axis=4).mean(axis=(1, 2, 3, 4, 5))
    assert np.allclose(energy, 1, atol=0.02)


def test_what_has_no_samples_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.ones([1, 2, 2, 2, 14]) + 0j, tau=np.zeros([1, 2]))
    file = f"channel.file={tmp_path / 'x.npz'}"
    with pytest.raises(ScenarioError, match="needs one a sample: use domain"):
        open_with("channel.model=cir", file)
    with pytest.raises(ScenarioError, match="needs paths"):
        open_with("channel.model=cfr", file)
    with pytest.raises(ScenarioError, match="links of bits"):
        load_scenario("semantic", ["channel.domain=time"])


def test_late_paths_of_any_model_are_computed():
    """TDL-E ends after 20.6 delay spreads, with 1e-3 of the energy beside the LoS."""
    channel = open_with("channel.model=tdl-e", "channel.delay_spread=1e-6")
    last = float(channel._lags[-1]) / channel._bandwidth
    assert last > 13e-6  # beyond, less than 1e-5 is left
