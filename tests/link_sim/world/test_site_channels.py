"""Channels of sites: the sum over paths, written out."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config
from typer.testing import CliRunner

from link_sim import cli
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.loading import load_scenario
from link_sim.scenarios.sites import Paths, load_site
from link_sim.world import site_channels, tracing
from link_sim.world.impulse_responses import impulse_responses


def test_responses_are_the_sum_over_paths():
    rng = np.random.default_rng(0)
    gain = rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))
    delay, angles = 1e-6 * rng.random((2, 3)), rng.uniform(0, 3, (2, 3, 4))
    frequencies = [-1e6, 0.0, 2e6]
    h = site_channels.responses(Paths(gain, delay, angles), 4, frequencies)
    for user in range(2):
        for n in range(4):
            for k, f in enumerate(frequencies):
                total = 0
                for p in range(3):
                    theta, phi = angles[user, p, :2]
                    along = 0.5 * n * np.sin(theta) * np.sin(phi)  # wavelengths
                    turn = along - f * delay[user, p]
                    total += gain[user, p] * np.exp(2j * np.pi * turn)
                assert h[user, n, k] == pytest.approx(total, abs=1e-12)


def link(*settings):
    own = ["channel.model=site", "channel.speed=30", "antennas.receive=3"]
    own += ["antennas.transmit=2", "channel.carrier_frequency=3.5e9", *settings]
    return load_scenario("smoke", own)


@pytest.mark.parametrize("users", ["train", "test"])
def test_impulse_responses_are_those_of_users_who_walk(users):
    """Gains over antennas are traced ones; over time, a path turns by its Doppler."""
    draw = impulse_responses(link(f"channel.users={users}"), 5)
    config.seed = 3
    rate = 1e3
    a, tau = (x.numpy() for x in draw(tf.constant(12), 5, rate))
    assert a.shape[:6] == (12, 1, 3, 1, 2, a.shape[5]) and a.shape[6] == 5
    paths = load_site("munich").users(users == "test")
    delays, doppler = paths.delay.astype("float32"), 30 * 3.5e9 / 299_792_458
    found = 0
    for frame in range(12):
        alike = np.flatnonzero((delays == tau[frame, 0, 0]).all(axis=1))
        if len(alike) > 1:  # one path each
            continue
        user, found = alike[0], found + 1
        there = np.abs(paths.gain[user]) > 0
        one = a[frame, 0, :, 0][..., there, :]
        theta, phi, own, turn = paths.angles[user, there].T
        north = np.exp(1j * np.pi * np.sin(theta) * np.sin(phi) * np.arange(3)[:, None])
        away = np.exp(1j * np.pi * np.sin(own) * np.sin(turn) * np.arange(2)[:, None])
        wave = north[:, None] * away
        flat = one / (wave * np.abs(paths.gain[user, there]))[..., None]
        np.testing.assert_allclose(np.abs(flat), 1, atol=1e-4)
        np.testing.assert_allclose(flat, flat[:1, :1] * np.ones_like(flat), atol=1e-4)
        shift = np.angle(flat[0, 0, :, 1:] * flat[0, 0, :, :-1].conj()) / (2 * np.pi)
        shift = (
            shift * rate / doppler
        )  # cosine between the way of a path and the user's
        assert np.abs(shift).max() <= 1 + 1e-3
        ways = np.stack([np.sin(own) * np.cos(turn), np.sin(own) * np.sin(turn)], 1)
        if np.linalg.matrix_rank(ways) < 2:
            continue
        heading, *_ = np.linalg.lstsq(ways, shift.mean(axis=1), rcond=None)
        assert np.hypot(*heading) == pytest.approx(1, abs=0.01)
        np.testing.assert_allclose(ways @ heading, shift.mean(axis=1), atol=1e-3)
    assert found > 6


def test_users_who_share_a_frame_are_different_ones():
    draw = impulse_responses(link("antennas.users=2", "antennas.receive=8"), 1)
    _, tau = draw(tf.constant(40), 1, 1e3)
    tau = tau.numpy()[:, 0, 0].reshape(20, 2, -1)
    alike = np.all(tau[:, 0] == tau[:, 1], axis=-1)
    assert not alike.all() and np.all(tau[alike] == 0)  # of one path each


def test_any_number_of_users_shares_a_frame_in_the_time_domain():
    settings = "antennas.users=3", "antennas.receive=8", "channel.domain=time"
    draw = impulse_responses(link(*settings), 1)
    assert draw(tf.constant(256), 1, 1e6)[0].shape[0] == 256


TRACES = pytest.mark.skipif(find_spec("sionna.rt") is None, reason="no Sionna RT")
SETTINGS = "--step 20 --rays 20000 --area 8.5 68.5 21 81"


def traced(scene, folder, **environment):
    """`link-sim trace` in a process of its own: Dr.Jit and TensorFlow do not mix."""
    return subprocess.run(
        [sys.executable, "-m", "link_sim", "trace", scene, *SETTINGS.split()],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


@TRACES
@pytest.mark.slow
@pytest.mark.parametrize(
    "scene, environment, words",
    [
        ("atlantis", {}, "there is no scene 'atlantis'"),
        ("munich", {"DRJIT_LIBLLVM_PATH": "/none.so"}, "apt-get install libllvm"),
    ],
)
def test_what_cannot_be_traced_gets_one_sentence(scene, environment, words, tmp_path):
    done = traced(scene, tmp_path, **environment)
    assert done.returncode == 2 and words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.fixture
def tracer(monkeypatch):
    """The command line, with a site of one square in place of what it traces."""
    one = load_site("munich")
    one = one._replace(test=np.zeros_like(one.test))
    monkeypatch.setattr(tracing, "trace", lambda plan, report: (one, {}))
    return CliRunner()


@pytest.mark.parametrize(
    "folder, words",
    [("missing/site.npz", "is not there"), ("site.npz", "trace a larger area")],
)
def test_what_could_not_be_used_is_not_written(tracer, folder, words, tmp_path):
    done = tracer.invoke(cli.app, ["trace", "-o", str(tmp_path / folder)])
    assert done.exit_code and words in " ".join(done.output.split())
    assert not list(tmp_path.iterdir())


@TRACES
@pytest.mark.slow
def test_a_traced_site_has_the_gain_of_free_space_in_sight(tmp_path):
    """Friis: wavelength over 4 pi distance; both antennas are vertical, isotropic."""
    done = traced("munich", tmp_path)
    assert done.returncode == 0, done.stderr
    site = load_site(DataFile(path=str(tmp_path / "munich.npz")))
    distance = np.linalg.norm(site.position - site.station, axis=1)
    last = np.cumsum(site.number)
    assert site.sight.any()
    for user in np.flatnonzero(site.sight):
        gains = np.abs(site.gain[last[user] - site.number[user] : last[user]])
        friis = 299_792_458 / site.carrier / (4 * np.pi * distance[user])
        assert np.min(np.abs(20 * np.log10(gains / friis))) < 3
