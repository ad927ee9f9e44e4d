"""What the axis means: received energy is measured for whatever one may choose."""

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config

from link_sim.scenarios.loading import ScenarioError, load_scenario
from link_sim.scenarios.radio import VARIED
from link_sim.scenarios.sections import Antennas
from link_sim.world.channel import Channel
from link_sim.world.precoding import columns, precoder

pytestmark = pytest.mark.usefixtures("eager")

TINY = "grid.fft_size=16", "grid.guard_carriers=[1, 2]", "grid.symbols=3"
TINY += "grid.pilot_symbols=[1]", "batch_size=4"
ANTENNAS = (1, 1, 1), (1, 1, 3), (2, 2, 2), (2, 2, 3), (4, 1, 2), (4, 2, 2)
"""Transmit, streams and receive."""
QUICK = "awgn", "rayleigh", "tdl-a", "tdl-d", "cdl-a", "cdl-d", "umi", "near-field"
OTHERS = "tdl-b", "tdl-c", "tdl-e", "cdl-b", "cdl-c", "cdl-e", "uma", "rma", "site"
USED = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """By (receive, transmit): a correlated channel with paths that overlap, and with
    examples 20 dB apart."""
    folder, rng = tmp_path_factory.mktemp("channels"), np.random.default_rng(1)
    found = {}
    for transmit, _, receive in ANTENNAS:
        path = folder / f"{receive}-{transmit}.npz"
        shape = 200, receive, transmit, 3, 1
        a = rng.standard_normal((*shape, 2)) @ [1, 1j] + 2
        a *= 10 ** rng.uniform(-0.5, 0.5, (200, 1, 1, 1, 1))
        np.savez(path, a=a, tau=rng.uniform(0, 1e-7, (200, 3)))
        found[receive, transmit] = path
    return found


def responses(files, model, antennas, level="esno_db", normalise=None, frames=64):
    """Responses from streams to antennas on used carriers, [frames, receive, streams,
    carriers]; of the first symbol."""
    transmit, streams, receive = antennas
    settings = [*TINY, f"channel.model={model}", f"sweep.axis={level}"]
    if model == "cir":
        settings.append(f"channel.file={files[receive, transmit]}")
    if normalise:
        settings.append(f"channel.normalise={normalise}")
    ends = f"transmit={transmit}, streams={streams}, receive={receive}"
    settings.append(f"antennas={{{ends}}}")
    config.seed = 3
    h = Channel(load_scenario("image", settings))(tf.constant(frames)).numpy()
    return h[:, 0, :, 0, :, 0][..., USED]


def received(h):
    """Energy of each frame's receive antennas, [frames]."""
    return np.sum(np.abs(h) ** 2, axis=2).mean(axis=(1, 2))


def all_of_file(h):
    """Each example once: where in `h` it comes first."""
    return h[np.unique(h[:, 0, 0, 0], return_index=True)[1]]


@pytest.mark.parametrize("antennas", ANTENNAS)
@pytest.mark.parametrize("model", [*QUICK, *(pytest.param(m, marks=pytest.mark.slow) for m in OTHERS)])  # noqa: E501  # fmt: skip
def test_esno_is_received_energy_per_antenna(files, model, antennas):
    energy = received(responses(files, model, antennas, frames=300))
    if model == "awgn":
        np.testing.assert_allclose(energy, 1, rtol=1e-5)
    else:
        # CDL and drops: in each frame, of which some subcarriers are not used
        error = energy.std() / np.sqrt(len(energy))
        assert abs(energy.mean() - 1) < 4.5 * error + 1e-4
        if model in VARIED:
            assert energy.std() < 0.35


@pytest.mark.parametrize("antennas", ANTENNAS)
@pytest.mark.parametrize("normalise", [None, "frame"])
def test_esno_of_a_file_is_its_mean_energy_or_that_of_frames(
    files, normalise, antennas
):
    h = responses(files, "cir", antennas, normalise=normalise, frames=3000)
    energy = received(all_of_file(h))
    assert len(energy) == 200
    if normalise == "frame":
        assert np.allclose(energy, 1, atol=0.1)  # some subcarriers are not used
    else:
        assert abs(energy.mean() - 1) < 1e-4 and energy.std() > 0.5


@pytest.mark.parametrize("model", ["tdl-d", "cdl-d", "cir"])
def test_on_the_ebno_axis_the_gain_of_the_array_stays(files, model):
    antennas = 4, 1, 2
    energy, plain = (
        received(responses(files, model, antennas, level, frames=600)).mean()
        for level in ("ebno_db", "esno_db")
    )
    # one antenna of four: nothing to gain; the boresight beam: up to four times
    assert abs(plain - 1) < 0.25 and 1.2 < energy < 4.001


def test_gains_of_a_file_may_stay_as_they_are(files):
    with np.load(files[1, 1]) as arrays:
        a, tau = arrays["a"][:, 0, 0, :, 0], arrays["tau"]
    f = (np.array(USED) - 8) * 30e3
    tau = tau - tau.min(axis=1, keepdims=True)
    expected = np.einsum("ep,epf->ef", a, np.exp(-2j * np.pi * f * tau[..., None]))
    h = responses(files, "cir", (1, 1, 1), normalise="none")[:, 0, 0]
    distance = np.abs(h[:, None] - expected).max(axis=2).min(axis=1)
    assert distance.max() < 1e-5 * np.abs(expected).max()


def test_energy_that_is_left_open_is_no_axis(files):
    for model in ("cdl-a", "uma"):
        with pytest.raises(ScenarioError, match="Es/N0 .* leaves that of .* open"):
            responses(files, model, (1, 1, 1), normalise="none")
        assert responses(files, model, (1, 1, 1), "ebno_db", "none").any()
    with pytest.raises(ScenarioError, match="'file' is for channels from a file"):
        responses(files, "tdl-a", (1, 1, 1), normalise="file")


@pytest.mark.parametrize("transmit, streams, receive", ANTENNAS)
def test_streams_over_awgn_are_apart_and_gain_by_each_antenna(
    files, transmit, streams, receive
):
    h = responses(files, "awgn", (transmit, streams, receive), frames=1)[0, ..., 0]
    gains = np.eye(streams) * receive / streams
    np.testing.assert_allclose(h.conj().T @ h, gains, atol=1e-5)


@pytest.mark.parametrize("transmit, streams", [(1, 1), (2, 2), (4, 2), (3, 1)])
def test_streams_share_a_transmit_energy_of_one(transmit, streams):
    w = precoder(Antennas(transmit=transmit, streams=streams, receive=4))
    assert np.allclose(w.conj().T @ w, np.eye(streams) / streams, atol=1e-6)
    rows = np.sum(np.abs(columns(transmit, streams)) ** 2, axis=1)
    assert np.allclose(rows, streams / transmit)
