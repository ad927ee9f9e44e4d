import numpy as np
import pytest
import tensorflow as tf

from link_sim.models.quantiser import converter_share
from link_sim.scenarios.channel_file import used_carriers
from link_sim.scenarios.hardware import Hardware
from link_sim.scenarios.sections import Grid
from link_sim.world.hardware.clocks import Clock
from link_sim.world.hardware.converters import convert
from link_sim.world.hardware.impairments import Impairments

QPSK = np.exp(1j * np.pi * (np.arange(4) / 2 + 0.25))


@pytest.mark.parametrize(("size", "offset"), [(32, 1e-4), (33, -2e-4), (64, 0.01)])
def test_samples_are_those_of_the_sum_of_subcarriers(size, offset):
    grid = Grid(fft_size=size, cyclic_prefix=6)
    rng = np.random.default_rng(1)
    y = rng.standard_normal((2, 14, size)) + 1j * rng.standard_normal((2, 14, size))
    n, k = np.arange(size), np.arange(size) - size // 2
    taken = np.arange(14)[:, None] * (size + 6) + n
    time = n + offset * (taken - taken.mean())
    waves = np.exp(2j * np.pi * k[:, None] * time[:, None] / size) / np.sqrt(size)
    expected = np.einsum("bsk,skn->bsn", y, waves)
    clock = Clock(grid, offset)
    found = clock(tf.constant(y, tf.complex64))
    np.testing.assert_allclose(found, expected, atol=3e-5)
    back = np.exp(-2j * np.pi * k[:, None] * n / size)
    kept = np.einsum("kn,skn->sk", back, waves) / np.sqrt(size)
    np.testing.assert_allclose(clock.kept, kept, atol=1e-6)
    lost = 1 - np.abs(kept[0]) ** 2
    np.testing.assert_allclose(
        clock.spread, lost[used_carriers(grid) + size // 2], atol=1e-6
    )


def test_a_clock_spreads_what_the_published_approximation_says():
    """(pi k d)^2 / 3 on subcarrier k (Pollet, Spruyt and Moeneclaey 1994)."""
    spread = Clock(Grid(fft_size=1024, guard_carriers=(0, 0)), 20e-6).spread
    k = np.delete(np.arange(-512, 512), 512)
    expected = (np.pi * k * 20e-6) ** 2 / 3
    np.testing.assert_allclose(spread, expected, rtol=5e-3, atol=1e-7)


def test_what_a_transmitter_converts_is_that_of_the_quantiser():
    """Without oversampling all of its error falls on the grid."""
    hardware = Hardware(transmit_converter_bits=4, oversampling=1)
    grid = Grid(fft_size=128, guard_carriers=(0, 0))
    found = np.mean(Impairments(hardware, grid, QPSK).amplified_share)
    assert found == pytest.approx(converter_share(4), rel=0.03)


def test_converters_have_a_derivative_of_one():
    x = tf.constant([0.3 + 0.1j, -0.2 - 0.9j], tf.complex64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.math.real(convert(x, 2, 0.7))
    np.testing.assert_allclose(tape.gradient(y, x), [1, 1])
