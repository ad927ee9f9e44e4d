import subprocess
import sys

import h5py
import numpy as np
import pytest
from scipy.io import savemat

import link_sim
from link_sim.scenarios.channel_file import responses_of
from link_sim.scenarios.loading import load_scenario
from link_sim.world.channel_files import save_channels, understand
from link_sim.world.channel_formats import channels_of
from link_sim.world.channel_summary import Known, delay_spreads, describe, profile

RNG = np.random.default_rng(0)
F = np.linspace(-5e6, 5e6, 11)


def gains(*shape):
    return RNG.standard_normal((*shape, 2)) @ [1, 1j]


def response(a, tau):
    """[..., receive, transmit, F] of the first time step, tau per antenna."""
    return np.einsum("...p,...pf->...f", a, np.exp(-2j * np.pi * F * tau[..., None]))


def ours(known):
    return response(known.a[..., 0], known.tau[:, None, None])


def test_what_is_saved_is_what_a_link_takes(tmp_path):
    a, tau = gains(7, 2, 1, 5, 1), RNG.uniform(0, 1e-6, (7, 5))
    facts = link_sim.save_channels(tmp_path / "mine.npz", a, tau)
    assert facts["examples"] == 7 and facts["paths"] == 5
    file = f"channel.file={tmp_path / 'mine.npz'}"
    settings = "channel.model=cir", "antennas.receive=2", "antennas.streams=1", file
    read = responses_of(load_scenario("image", ["antennas.transmit=1", *settings]))
    np.testing.assert_allclose(read.a / read.a.flat[0], a / a.flat[0], rtol=1e-9)


def test_links_of_sionna_are_examples():
    a, tau = gains(3, 2, 4, 5, 2, 6, 1), RNG.uniform(0, 1e-6, (3, 2, 5, 6))
    known = understand(a, tau)
    assert known.a.shape == (30, 4, 2, 6, 1)
    link = a[2, 1, :, 3, :, :, 0]
    expected = response(link, np.broadcast_to(tau[2, 1, 3], link.shape))
    np.testing.assert_allclose(ours(known)[(2 * 2 + 1) * 5 + 3], expected)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_delays_of_each_antenna_are_kept(batch):
    a = gains(*batch, 2, 3, 1, 2, 4, 1)
    tau = RNG.uniform(0, 1e-6, a.shape[:-1])
    first = a[..., 0].reshape(-1, 2, 3, 1, 2, 4).swapaxes(2, 3)
    late = tau.reshape(-1, 2, 3, 1, 2, 4).swapaxes(2, 3)
    expected = response(first, late).reshape(-1, 3, 2, len(F))
    np.testing.assert_allclose(ours(understand(a, tau)), expected, atol=1e-12)


def test_missing_paths_are_dropped_and_holes_are_refused():
    a, tau = gains(4, 2, 1, 3, 1), RNG.uniform(0, 1e-6, (4, 3))
    a[0, ..., 0, :], tau[0, 0] = 0, -1
    a[1, ..., 1, :], tau[1, 1] = np.nan, np.nan
    a[2, ..., 2, :], tau[2] = 0, [0, 1e-6, np.nan]
    a[3], tau[3] = 0, -1
    known = understand(a, tau)
    assert known.a.shape == (3, 2, 1, 2, 1)
    assert describe(known)["left out, without energy"] == 1
    whole = np.nan_to_num(a[:3, ..., 0]), np.nan_to_num(tau[:3, None, None])
    np.testing.assert_allclose(ours(known), response(*whole))
    for bad, named in [
        ((gains(4, 2, 1, 3, 1), tau), "tau holds NaN, infinite or negative"),
        ((a * np.nan, np.abs(np.nan_to_num(tau))), "a holds NaN or infinite"),
        ((0 * whole[0][..., None], tau[:3]), "no path has energy"),
        ((whole[0][..., None], 1e9 * np.nan_to_num(tau[:3])), "in seconds"),
        ((1e200 * whole[0][..., None], whole[1][:, 0, 0]), "energy is no number"),
        ((a.real, tau), "must be complex"),
        ((a, tau[:, :2]), "do not fit"),
        ((a[0, 0, 0], tau), "do not fit"),
    ]:
        with pytest.raises(ValueError, match=named):
            understand(*bad)


def test_users_of_deepmimo_are_examples():
    """`channel` [users, receive, transmit, paths] and `delay` [users, paths], NaN where
    a user has fewer paths; in the frequency domain [..., subcarriers]."""
    channel, delay = gains(6, 1, 8, 5), RNG.uniform(1e-7, 1e-6, (6, 5))
    channel[2, ..., 3:], delay[2, 3:] = np.nan, np.nan
    channel[4], delay[4] = np.nan, np.nan
    known = understand(channel, delay)
    assert known.a.shape == (5, 1, 8, 5, 1)
    carriers = understand(h=gains(6, 1, 8, 64), spacing=15e3)
    assert carriers.h.shape == (6, 1, 8, 64, 1)
    with pytest.raises(ValueError, match="need their spacing in Hz"):
        understand(h=gains(6, 1, 8, 64))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spacing", ["30e3", 30e3 + 0j, -30e3, np.nan, [3e4, 3e4]])
def test_a_spacing_is_a_positive_number(spacing):
    with pytest.raises(ValueError, match="need their spacing in Hz"):
        understand(h=gains(6, 1, 8, 64), spacing=np.array(spacing))


def test_delays_of_half_precision_are_refused():
    """Below 6e-8 s it has no numbers."""
    with pytest.raises(ValueError, match="tau is float16.*single precision"):
        understand(gains(6, 1, 8, 3), np.zeros((6, 3), "float16"))


def test_text_in_hdf5_is_no_channel(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["h"], file["spacing"] = "text", 30e3
    with pytest.raises(ValueError, match="h has shape .*must be complex"):
        channels_of(tmp_path / "x.h5")


def test_files_of_others_are_read(tmp_path):
    a, tau, h = gains(5, 2, 1, 3, 4), RNG.uniform(0, 1e-6, (5, 3)), gains(5, 2, 1, 24)
    np.savez(tmp_path / "x.npz", gains=a, delays=tau)
    savemat(tmp_path / "old.mat", {"a": a, "tau": tau})
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"], file["tau"] = a, tau
    with h5py.File(tmp_path / "new.mat", "w", userblock_size=512) as file:
        file["a"], file["tau"] = a.T, tau.T
    with open(tmp_path / "new.mat", "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")
    for name in ("x.npz", "old.mat", "x.h5", "new.mat"):
        known = channels_of(tmp_path / name)
        np.testing.assert_array_equal(known.a, a, name)
        np.testing.assert_array_equal(known.tau, tau, name)
    np.save(tmp_path / "x.npy", h)
    savemat(tmp_path / "h.mat", {"H": h, "subcarrier_spacing": 15e3})
    np.testing.assert_array_equal(channels_of(tmp_path / "x.npy", 3e4).h[..., 0], h)
    assert channels_of(tmp_path / "h.mat").spacing == 15e3
    (tmp_path / "x.txt").write_text("1")
    (tmp_path / "bad.mat").write_bytes(b"MATLAB 7.3 no HDF5")
    np.savez(tmp_path / "other.npz", x=a)
    for name, named in [
        ("x.txt", "no known kind"),
        ("bad.mat", "unreadable"),
        ("missing.npz", "unreadable"),
        ("other.npz", "has arrays x: name them"),
    ]:
        with pytest.raises(ValueError, match=named):
            channels_of(tmp_path / name)


def test_the_summary_meets_what_is_known(tmp_path):
    size = 20_000
    a = np.sqrt([0.8, 0.2]) * gains(size, 2) / np.sqrt(2)
    tau = np.broadcast_to([3e-7, 1.3e-6], (size, 2))
    facts = save_channels(tmp_path / "x.npz", 10 * a, tau)
    assert abs(facts["mean energy [dB]"] - 20) < 0.1
    assert facts["largest excess delay [s]"] == pytest.approx(1e-6)
    assert facts["K-factor [dB]"] < -8 and facts["time steps"] == 1
    steady = np.sqrt(10) * np.exp(2j * np.pi * RNG.random((size, 1)))
    ricean = save_channels(
        tmp_path / "x.npz", steady + gains(size, 1) / 2**0.5, tau[:, :1]
    )
    assert abs(ricean["K-factor [dB]"] - 10) < 0.3
    turns = np.exp(2j * np.pi * 0.02 * np.arange(10)) * np.ones((50, 1, 1, 1, 1))
    moving = save_channels(tmp_path / "x.npz", turns, tau[:50, :1])
    assert moving["Doppler spread [1 / time step]"] == pytest.approx(
        0.02 * 2**0.5, 0.05
    )
    two = save_channels(tmp_path / "x.npz", np.array([[1, 1j]]), np.array([[0, 1e-6]]))
    assert two["median RMS delay spread [s]"] == pytest.approx(5e-7)


def test_channels_are_understood_without_tensorflow(tmp_path):
    code = (
        "import sys, numpy, link_sim, link_sim.world.channel_formats\n"
        "a, tau = numpy.ones((2, 1)) + 0j, numpy.zeros((2, 1))\n"
        "link_sim.save_channels(sys.argv[1], a, tau)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.npz")]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("delay", [-1e-7, 0.0, 2.6e-7])
def test_delay_spreads_of_responses_need_no_path_on_a_sample(delay):
    f = 15e3 * np.arange(640)
    one = np.exp(-2j * np.pi * f * delay)
    two = one + np.exp(-2j * np.pi * f * (delay + 1e-6))  # half a microsecond each way
    for h, spread in ((one, 0.0), (two, 0.5e-6)):
        known = Known(h=h[None, None, None, :, None], spacing=15e3)
        # a band of 9.6 periods of the ripple tells its energy to a percent
        np.testing.assert_allclose(delay_spreads(known), spread, 0.01, 1e-12)
        delays, powers = profile(known)
        peak = delays[0, np.argmax(powers[0])]
        assert abs(peak - 0.25 / 15e3) < 2.1e-6  # a quarter before the mean, 1.04 us


@pytest.mark.filterwarnings("error")
def test_single_precision_is_saved_without_a_warning(tmp_path):
    a = np.ones((2, 1, 1, 1, 1), "complex64")
    save_channels(tmp_path / "own.npz", a, np.zeros((2, 1), "float32"))
    np.testing.assert_array_equal(np.load(tmp_path / "own.npz")["a"], a)
