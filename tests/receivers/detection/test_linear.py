import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from sionna.phy.mapping import Constellation, Demapper
from sionna.phy.mimo import StreamManagement
from sionna.phy.ofdm import LinearDetector as SionnaLinearDetector
from sionna.phy.ofdm import PilotPattern, ResourceGrid

from link_sim.receivers.detection.demapping import QAMDemapper
from link_sim.receivers.detection.equalization import LMMSEEqualizer
from link_sim.receivers.detection.linear import LinearDetector

pytestmark = pytest.mark.usefixtures("eager")

ROUNDING = 1e-4
"""LLRs this close to zero may change their sign by rounding alone."""


def grid(streams, carriers=24, **options):
    return ResourceGrid(
        num_ofdm_symbols=7,
        fft_size=carriers,
        subcarrier_spacing=30e3,
        num_streams_per_tx=streams,
        num_guard_carriers=(4, 3),
        dc_null=True,
        **{"pilot_pattern": "kronecker", "pilot_ofdm_symbol_indices": [1], **options},
    )


def gaussian(rng, *shape):
    return (rng.standard_normal((*shape, 2)) @ [1, 1j] / np.sqrt(2)).astype("complex64")


def received(rg, batch, antennas, bits, no, seed=0):
    """y and h of random symbols over channels without structure."""
    rng = np.random.default_rng(seed)
    symbols, streams = rg.num_ofdm_symbols, rg.num_streams_per_tx
    carriers = np.asarray(rg.effective_subcarrier_ind)
    points = Constellation("qam", bits).points.numpy()
    x = rng.choice(points, [batch, streams, symbols, len(carriers)])
    h = gaussian(rng, batch, 1, antennas, 1, streams, symbols, len(carriers))
    noise = gaussian(rng, batch, antennas, symbols, len(carriers)) * np.sqrt(no)
    y = np.zeros([batch, 1, antennas, symbols, rg.fft_size], "complex64")
    y[:, 0][..., carriers] = np.einsum("bastf,bstf->batf", h[:, 0, :, 0], x) + noise
    return tf.constant(y), tf.constant(h)


def same_llr(llr, expected):
    different = (llr > 0) != (expected > 0)
    assert np.all(np.abs(expected[different]) < ROUNDING)
    assert np.allclose(llr, expected, rtol=1e-3, atol=1e-3)


def sionna_detector(rg, bits, method="app"):
    streams = StreamManagement(np.ones([1, 1], int), rg.num_streams_per_tx)
    return tf.function(
        SionnaLinearDetector(
            "lmmse", "bit", method, rg, streams, "qam", num_bits_per_symbol=bits
        )
    )


@pytest.mark.parametrize("method", ["app", "maxlog"])
@pytest.mark.parametrize(
    "antennas, streams, bits", [(1, 1, 4), (8, 2, 2), (8, 2, 8), (5, 4, 6)]
)
def test_detects_as_sionna_does(antennas, streams, bits, method):
    rg = grid(streams)
    arguments = received(rg, 3, antennas, bits, no=0.1)
    err_var = np.random.default_rng(1).uniform(0, 0.1, (1, 1, 1, 1, streams, 7, 16))
    llr = LinearDetector(rg, bits, method)(*arguments, err_var.astype("float32"), 0.1)
    expected = sionna_detector(rg, bits, method)(*arguments, err_var, 0.1)
    assert llr.shape == expected.shape
    same_llr(llr.numpy(), expected.numpy())


def test_decides_a_million_bits_as_sionna_does():
    rg, bits = grid(2, carriers=96), 6
    y, h = received(rg, 160, 8, bits, no=0.05)
    arguments = y, h, tf.zeros([1] * 7), tf.linspace(0.02, 0.2, 160)
    llr = LinearDetector(rg, bits)(*arguments).numpy()
    assert llr.size > 1e6
    same_llr(llr, sionna_detector(rg, bits)(*arguments).numpy())


@pytest.mark.parametrize("shape", [[], [3], [3, 1], [3, 1, 4]])
@pytest.mark.parametrize("errors", [[1] * 7, [3, 1, 4, 1, 2, 7, 16]])
def test_noise_and_errors_come_in_any_of_sionnas_shapes(shape, errors):
    rg, rng = grid(2), np.random.default_rng(0)
    no = tf.constant(rng.uniform(0.05, 0.2, shape), tf.float32)
    err_var = tf.constant(rng.uniform(0.0, 0.1, errors), tf.float32)
    arguments = *received(rg, 3, 4, 4, no=0.1), err_var, no
    llr = LinearDetector(rg, 4)(*arguments)
    same_llr(llr.numpy(), sionna_detector(rg, 4)(*arguments).numpy())


@pytest.mark.parametrize("no", [1e-30, 1e-3, 1.0])
def test_demaps_as_sionna_does_at_any_noise(no):
    y = tf.constant(gaussian(np.random.default_rng(0), 2, 500))
    llr = QAMDemapper("app", 6)(y, no).numpy()
    expected = Demapper("app", "qam", 6)(y, no).numpy()
    assert np.allclose(llr, expected, rtol=1e-3, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("scale", [0.0, 1e-5, 1e-4])
def test_a_stream_that_is_not_heard_is_not_known(scale):
    rg = grid(2)
    y, h = received(rg, 2, 1, 2, no=0.1)
    h *= tf.constant([scale, 30.0], tf.complex64)[:, None, None]
    llr = LinearDetector(rg, 2)(y, h, tf.zeros([1] * 7), 0.1)
    assert np.all(np.isfinite(llr))
    assert np.abs(llr[:, :, 0]).max() < 0.1 < np.abs(llr[:, :, 1]).max()


def test_gradients_reach_the_channel_estimate():
    rg = grid(2)
    y, h = received(rg, 2, 4, 4, no=0.1)
    with tf.GradientTape() as tape:
        tape.watch(h)
        llr = LinearDetector(rg, 4)(y, h, tf.zeros([1] * 7), 0.1)
    assert np.all(np.isfinite(tape.gradient(llr, h)))


def test_streams_must_be_alike():
    mask = np.zeros([1, 2, 7, 16])
    mask[0, [0, 1], [0, 1]] = 1
    pattern = PilotPattern(mask, np.ones([1, 2, 16], "complex64"))
    with pytest.raises(ValueError, match="Sionna"):
        LMMSEEqualizer(grid(2, pilot_pattern=pattern, pilot_ofdm_symbol_indices=None))
    with pytest.raises(ValueError, match="app"):
        QAMDemapper("logmap", 4)


def test_detector_can_be_saved():
    rg = grid(2)
    detector = LinearDetector(rg, 4, "maxlog")
    config = keras.saving.serialize_keras_object(detector)
    restored = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    arguments = *received(rg, 2, 4, 4, no=0.1), tf.zeros([1] * 7), 0.1
    assert np.array_equal(detector(*arguments), restored(*arguments))
