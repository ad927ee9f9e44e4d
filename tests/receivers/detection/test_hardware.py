from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config

from link_sim.receivers.decoding.belief_propagation import QuasiCyclicBP
from link_sim.receivers.detection.cancellation import Residual
from link_sim.receivers.detection.demapping import QAMDemapper
from link_sim.receivers.detection.hardware import HardwareDetector
from link_sim.scenarios.loading import load_scenario
from link_sim.world.transmitter import Transmitter

pytestmark = pytest.mark.usefixtures("eager")

SMALL = "grid.fft_size=26", "code.bits_per_symbol=6", "code.iterations=4"
RAPP = "hardware={amplifier='rapp', back_off_db=4}"
ENDS = np.array([1, 1j], "complex64")
NOISY = "hardware={carrier_offset=100}"


@cache
def transmitter(*overrides):
    return Transmitter(load_scenario("image-awgn", [*SMALL, *overrides]), (12, 12, 1))


def sent(link, seed=1):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (4, link.images_per_frame, 12, 12, 1)) / 255
    return link(tf.constant(image, tf.float32))[1:]


def received(link, x_rg, no=1e-4):
    """y, h of the subcarriers in use, and no, over a flat channel of unit gain."""
    hardware = link.hardware
    config.seed = 3
    h = tf.ones([x_rg.shape[0], 1, 2, 1, 1, *x_rg.shape[3:]], tf.complex64)
    h *= ENDS[:, None, None, None, None]
    h = hardware.seen(h)
    y = hardware.send(x_rg)[:, :, :1] * ENDS[:, None, None]
    noise = np.random.default_rng(2).standard_normal((2, *y.shape))
    y += tf.constant((noise[0] + 1j * noise[1]) * np.sqrt(no / 2), tf.complex64)
    used = np.asarray(link.resource_grid.effective_subcarrier_ind)
    return hardware.receive(y, h), tf.gather(h, used, axis=-1), np.float32(no)


def wrong(link, c, llr):
    """Share of wrong bits of the codewords."""
    return np.mean((link.demodulate(llr) > 0) != (c > 0.5))


def test_distortion_is_counted_as_noise_exactly():
    """Of one stream on two antennas: x + e + noise of variance no / (2 |g|^2)."""
    link = transmitter(RAPP)
    _, x_rg = sent(link)
    y, h, no = received(link, x_rg, 0.01)
    llr = HardwareDetector(link)(y, h, tf.zeros([1] * 7), no)
    used = np.asarray(link.resource_grid.effective_subcarrier_ind)
    y, h = tf.gather(y, used, axis=-1)[:, 0], h[:, 0, :, 0, 0]
    energy = tf.reduce_sum(tf.abs(h) ** 2, 1)
    x = tf.reduce_sum(tf.math.conj(h) * y, 1) / tf.cast(energy, tf.complex64)
    variance = no / energy + link.hardware.amplified_share
    data = np.flatnonzero(np.asarray(link.resource_grid.pilot_pattern.mask) == 0)
    x, variance = (
        tf.gather(tf.reshape(z, [z.shape[0], -1]), data, axis=1) for z in (x, variance)
    )
    expected = QAMDemapper("app", 6)(x, variance)
    np.testing.assert_allclose(llr[:, 0, 0], expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    "decoding", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_what_amplifiers_make_of_right_decisions_is_taken_away(decoding):
    link = transmitter(RAPP, "code.bits_per_symbol=8")
    c, x_rg = sent(link)
    y, h, no = received(link, x_rg)
    plain, cancelled = (
        HardwareDetector(link, rounds, decoding)(y, h, tf.zeros([1] * 7), no)
        for rounds in (0, 4)
    )
    before, after = (wrong(link, c, llr) for llr in (plain, cancelled))
    assert before > 0.01 and after < before / 10


def test_the_phase_of_symbols_is_followed():
    link = transmitter(NOISY)
    c, x_rg = sent(link)
    y, h, no = received(link, x_rg, 5e-3)
    still, turned = (
        HardwareDetector(link, rounds)(y, h, tf.zeros([1] * 7), no) for rounds in (0, 2)
    )
    assert wrong(link, c, turned) < wrong(link, c, still) / 2


def test_phase_pilots_show_larger_phases():
    """300 Hz: 36 degrees at the first and last symbol, too much for decisions."""
    noisy = "hardware={carrier_offset=300}"
    without, with_pilots = (
        transmitter(noisy, *more) for more in ((), ("grid.phase_pilots=4",))
    )
    errors = []
    for link in (without, with_pilots):
        c, x_rg = sent(link)
        y, h, no = received(link, x_rg, 1e-3)
        llr = HardwareDetector(link)(y, h, tf.zeros([1] * 7), no)
        errors.append(wrong(link, c, llr))
    assert errors[0] > 0.05 and errors[1] < errors[0] / 20
    places = np.asarray(with_pilots.resource_grid.pilot_pattern.mask)[0, 0].sum(axis=1)
    assert list(places) == [18 if s in (2, 11) else 4 for s in range(14)]
    # estimators see the others only
    both = (
        g.pilot_pattern.pilots
        for g in (with_pilots.sounding_grid, without.resource_grid)
    )
    np.testing.assert_allclose(*both)


def test_certain_decisions_leave_nothing():
    link = transmitter(RAPP)
    demapper = QAMDemapper("app", 6)
    c, x_rg = sent(link)
    x = demapper.soft_symbols(link.grid_llr(200.0 * c - 100.0))
    data = link.resource_grid.build_type_grid().numpy()[0, 0] == 0
    x = tf.where(tf.abs(x) == 0, x_rg.numpy()[..., data], x)  # what fills the frame
    np.testing.assert_allclose(link.place(x), x_rg, atol=1e-5)
    e, share = Residual(link, demapper)(x, x_rg)
    # 64-QAM at random has an energy within a few per cent of 1: q is no exact 0
    np.testing.assert_allclose(e, link.hardware.distortion_of(x_rg), atol=0.02)
    assert np.mean(share) < 0.1 * link.hardware.amplified_share.mean()


def test_soft_symbols_are_sums_over_all_points():
    demapper = QAMDemapper("app", 4)
    llr = np.random.default_rng(1).normal(size=(5, 8)).astype("float32")
    found = demapper.soft_symbols(tf.constant(llr))
    labels = np.arange(16)[:, None] >> np.arange(4)[::-1] & 1
    points = demapper.soft_symbols(tf.constant((2.0 * labels - 1) * 100, tf.float32))
    p = 1 / (1 + np.exp(-llr.reshape(5, 2, 1, 4)))
    weight = np.prod(np.where(labels, p, 1 - p), -1)
    np.testing.assert_allclose(found, weight @ points.numpy()[:, 0], rtol=1e-4)


def test_codewords_come_back_in_the_order_that_they_were_sent():
    link = transmitter(RAPP)
    bp = QuasiCyclicBP(link.encoder)
    llr = np.random.default_rng(1).normal(size=(3, link.n)).astype("float32")
    np.testing.assert_allclose(bp.codeword(bp.start(tf.constant(llr))), llr, rtol=1e-6)


def test_learned_constellations_are_refused():
    link = transmitter(RAPP)

    class Learned:
        constellation, hardware = object(), link.hardware

    with pytest.raises(ValueError, match="know QAM alone"):
        HardwareDetector(Learned())
