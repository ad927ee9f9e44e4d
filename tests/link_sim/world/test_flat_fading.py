"""Vectors behind channels: powers, correlation, noise and bits as they are stated."""

import numpy as np
import pytest
from sionna.phy.mapping import Constellation

from link_sim.receivers.detection.symbols import pam
from link_sim.world.flat_fading import flat_link, rayleigh, symbol_bits


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_channels_are_correlated_as_stated(rho):
    h = rayleigh(np.random.default_rng(0), 4000, 6, 3, rho) * np.sqrt(6)
    found = np.einsum("bis,bjs->ij", h, h.conj()) / (4000 * 3)
    expected = rho ** np.abs(np.subtract.outer(range(6), range(6)))
    assert np.max(np.abs(found - expected)) < 5 / np.sqrt(4000 * 3)


def test_snr_is_that_of_a_receive_antenna():
    size, antennas, streams, snr_db = 3000, 8, 4, 7.0
    y, h, no, sent = flat_link(
        np.random.default_rng(1), size, antennas, streams, 4, snr_db
    )
    levels, _ = pam(4)
    real, imag = np.split(levels[sent], 2, axis=1)
    clean = np.einsum("bas,bs->ba", h, real + 1j * imag)
    noise = np.mean(np.abs(y - clean) ** 2)
    assert no[0, 0] == pytest.approx(noise, rel=4 / np.sqrt(y.size))
    snr = np.mean(np.abs(clean) ** 2) / noise
    assert 10 * np.log10(snr) == pytest.approx(snr_db, abs=0.2)


def test_bits_are_those_of_sionnas_points():
    levels, labels = pam(4)
    sent = np.random.default_rng(2).integers(0, 4, (20, 6))
    b = symbol_bits(sent, labels)
    real, imag = np.split(levels[sent], 2, axis=1)
    points = Constellation("qam", 4).points.numpy()
    assert np.allclose(points[b @ [8, 4, 2, 1]], real + 1j * imag)
