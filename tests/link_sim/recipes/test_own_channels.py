"""The channel prior on a user's channels: its data, and a training of two steps."""

import json

import numpy as np
import pytest

from link_sim.models.pretrained import load_model
from link_sim.recipes import ofdm_channels, publishing
from link_sim.recipes.own_channels import own_channels
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import sha256
from link_sim.world.channel_files import save_channels

RNG = np.random.default_rng(0)
PILOTS = np.arange(-22, 22) * 30e3


def normal(*shape):
    return RNG.standard_normal((*shape, 2)) @ np.array([1, 1j])


def saved(path, examples=15, latest=1e-6):
    a, tau = normal(examples, 4, 3, 2, 2), np.zeros((examples, 2))
    tau[:, 1] = np.linspace(0, latest, examples)
    save_channels(path, a, tau + 5e-6)
    return a[..., 0], tau


def test_snapshots_are_transmit_antennas_and_polarisations(tmp_path):
    path = tmp_path / "a.npz"
    a, tau = saved(path)
    own = own_channels(path, 2, PILOTS)
    assert own.learned.shape == (12, 6, 2, 44) and own.held_out.shape == (3, 6, 2, 44)
    found = np.concatenate([own.learned, own.held_out])
    turns = np.exp(-2j * np.pi * PILOTS[:, None] * tau[:, None])
    h = np.einsum("ertp,efp->ertf", a, turns)
    h /= np.sqrt(np.mean(np.abs(h) ** 2, axis=(1, 2, 3), keepdims=True))
    for polarisation in (0, 1):
        for transmit in range(3):
            expected = h[:, polarisation::2, transmit]
            snapshot = found[:, 3 * polarisation + transmit]
            np.testing.assert_allclose(snapshot, expected, atol=1e-5)


def test_responses_are_seen_over_their_whole_band(tmp_path):
    h = normal(10, 2, 1, 150, 1)
    save_channels(tmp_path / "h.npz", h=h, spacing=1e5)
    own = own_channels(tmp_path / "h.npz", 1, PILOTS)
    np.testing.assert_allclose(own.frequencies, 3e5 * np.arange(50))
    assert own.learned.shape == (8, 1, 2, 50)


def test_a_prior_learns_from_responses_without_their_common_delay(tmp_path):
    h = np.exp(2j * np.pi * np.arange(64) * 1e5 * 2e-6) * normal(10, 2, 1, 1)
    save_channels(tmp_path / "h.npz", h=h, spacing=1e5)
    found = own_channels(tmp_path / "h.npz", 1, PILOTS).learned
    turns = np.angle(np.sum(found[..., 1:] * found[..., :-1].conj()))
    assert -3 < turns * 64 / (2 * np.pi) < 0.5  # of 13 samples before zero


@pytest.mark.parametrize(
    "polarisations, options, words",
    [
        (1, {"examples": 9}, "has 9 examples: supply 10"),
        (3, {}, "do not split into 3 polarisations"),
        (1, {"latest": 1.4e-5}, "paths 1.4e-05 s after the first"),
    ],
)
def test_a_file_that_does_not_serve_is_refused(tmp_path, polarisations, options, words):
    saved(tmp_path / "a.npz", **options)
    with pytest.raises(ScenarioError, match=words):
        own_channels(tmp_path / "a.npz", polarisations, PILOTS)


def test_polarisations_are_those_of_a_file(tmp_path):
    with pytest.raises(ValueError, match="give channels as well"):
        ofdm_channels.train_ofdm(tmp_path, polarisations=2)


@pytest.mark.slow
def test_a_training_writes_weights_a_card_and_what_it_has_not_seen(tmp_path, untrained):
    untrained(publishing)
    path, folder = tmp_path / "measured.npz", tmp_path / "out"
    saved(path)
    ofdm_channels.train_ofdm(folder, path, steps=2, size=4)
    card = json.loads((folder / "csi-ofdm.json").read_text())
    assert card["channels"] == {"file": "measured.npz", "sha256": sha256(path)}
    assert card["quality"]["channels"] == 3 and card["recipe"]["steps"] == 2
    assert "shipped_nmse_db_at_10_db" in card["quality"]
    assert load_model(str(folder / "csi-ofdm.npz")).points == (16, 64)
    with np.load(path) as every, np.load(folder / "held-out.npz") as rest:
        for name in ("a", "tau"):
            np.testing.assert_array_equal(rest[name], every[name][12:])


@pytest.mark.slow
def test_two_steps_of_training_move_the_shipped_weights(tmp_path):
    saved(tmp_path / "a.npz")
    ofdm_channels.train_ofdm(tmp_path, tmp_path / "a.npz", steps=2, size=4)
    own, shipped = (
        load_model(name).get_weights()
        for name in (str(tmp_path / "csi-ofdm.npz"), "csi-ofdm")
    )
    moved = max(np.max(np.abs(a - b)) for a, b in zip(own, shipped, strict=True))
    assert 1e-5 < moved < 0.05


def site(path, users=600, antennas=8, scatterers=8):
    """Users in a square of 200 m beside a base station, who are heard directly, half of
    them, and by the three nearest of some fixed scatterers; 3.5 GHz, no other paths."""
    rng = np.random.default_rng(7)
    fixed = rng.uniform(-100, 100, (scatterers, 2)) + [150, 0]
    own = rng.uniform(-100, 100, (users, 1, 2)) + [150, 0]
    leg = np.linalg.norm(own - fixed, axis=2)
    nearest = np.argsort(leg, axis=1)[:, :3]
    last = np.concatenate([own, fixed[nearest]], axis=1)  # place before the array
    way = np.linalg.norm(last, axis=2)
    way[:, 1:] += np.take_along_axis(leg, nearest, axis=1)
    gain = 1 / way * np.exp(2j * np.pi * rng.random(way.shape))
    gain[:, 1:] *= 0.5
    gain[rng.random(users) < 0.5, 0] = 0
    turns = np.exp(1j * np.pi * np.arange(antennas)[:, None] * np.sin(
        np.arctan2(last[..., 1], last[..., 0])
    )[:, None])  # fmt: skip
    save_channels(path, (gain[:, None] * turns)[:, :, None], way / 299_792_458)


@pytest.mark.slow
def test_a_short_training_on_a_site_of_few_paths_gains(tmp_path):
    """120 users that were not trained on, against the weights shipped."""
    site(tmp_path / "site.npz")
    ofdm_channels.train_ofdm(tmp_path, tmp_path / "site.npz", steps=60, size=48)
    quality = json.loads((tmp_path / "csi-ofdm.json").read_text())["quality"]
    assert quality["channels"] == 120
    for db in (0, 10, 20):
        key = f"nmse_db_at_{db}_db"
        assert quality[key] < quality[f"shipped_{key}"], quality
