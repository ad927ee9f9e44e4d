import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.ofdm import PilotPattern, ResourceGrid

from link_sim.receivers.decoding.ldpc import BPDecoder
from link_sim.receivers.estimation.lmmse import LMMSEChannelEstimator
from link_sim.receivers.estimation.soundings import soundings

pytestmark = pytest.mark.usefixtures("eager")

SYMBOLS, CARRIERS, ANTENNAS, STREAMS = 4, 12, 2, 2


def grid(**options):
    return ResourceGrid(
        num_ofdm_symbols=SYMBOLS,
        fft_size=CARRIERS + 2,
        subcarrier_spacing=15e3,
        num_streams_per_tx=STREAMS,
        num_guard_carriers=(1, 0),
        dc_null=True,
        **{
            "pilot_pattern": "kronecker",
            "pilot_ofdm_symbol_indices": [0, 2],
            **options,
        },
    )


def exponential(size, coefficient):
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    return coefficient ** np.abs(distance) * np.exp(0.3j * distance)


COVARIANCES = (
    0.7 * exponential(SYMBOLS, 0.9),
    exponential(CARRIERS, 0.8),
    exponential(ANTENNAS, 0.5),
)


def transmit(batch, no, rng):
    """Channels of the covariances, and the grid received from pilots alone."""
    roots = [np.linalg.cholesky(c) for c in COVARIANCES]
    shape = batch, STREAMS, SYMBOLS, CARRIERS, ANTENNAS
    w = rng.standard_normal((2, *shape)) / np.sqrt(2)
    h = np.einsum("ts,fg,ab,nisgb->nitfa", *roots, w[0] + 1j * w[1])
    x = np.zeros([STREAMS, SYMBOLS, CARRIERS], complex)
    for group in soundings(grid()):
        for i, stream in enumerate(group.streams):
            x[stream][np.ix_(group.times, group.carriers[i, :, 0])] = group.pilots[
                i, :, :, 0
            ]
    y = np.einsum("nitfa,itf->natf", h, x)
    noise = rng.standard_normal((2, *y.shape)) * np.sqrt(no / 2)
    full = np.zeros([batch, 1, ANTENNAS, SYMBOLS, CARRIERS + 2], complex)
    effective = grid().effective_subcarrier_ind
    full[:, 0][..., np.array(effective)] = y + noise[0] + 1j * noise[1]
    return h, x, y + noise[0] + 1j * noise[1], full.astype("complex64")


def test_lmmse_equals_the_dense_formula():
    no = 0.2
    h, x, y, full = transmit(3, no, np.random.default_rng(0))
    h_hat, err_var = LMMSEChannelEstimator(grid(), *COVARIANCES)(full, no)
    covariance = np.kron(np.kron(*COVARIANCES[:2]), COVARIANCES[2])
    for i in range(STREAMS):
        sent = np.repeat(x[i].ravel(), ANTENNAS)
        pilots = np.flatnonzero(sent)
        received = np.moveaxis(y, 1, 3).reshape(3, -1)[:, pilots]
        h_ls = received / sent[pilots]
        noise = np.diag(no / np.abs(sent[pilots]) ** 2)
        c_pp = covariance[np.ix_(pilots, pilots)] + noise
        weights = np.linalg.solve(c_pp, covariance[pilots]).conj().T
        expected = h_ls @ weights.T
        variance = np.diag(covariance - weights @ covariance[pilots]).real
        order = np.moveaxis(h_hat[:, 0, :, 0, i].numpy(), 1, 3)
        assert np.allclose(order.reshape(3, -1), expected, atol=1e-4)
        order = np.moveaxis(err_var[:, 0, :, 0, i].numpy(), 1, 3)
        assert np.allclose(order.reshape(1, -1), variance, atol=1e-4)


def test_lmmse_error_variance_is_what_is_measured_at_any_noise():
    estimator = LMMSEChannelEstimator(grid(), *COVARIANCES)
    batch = 2000
    for no in (0.01, 1.0):
        h, _, _, full = transmit(batch, no, np.random.default_rng(1))
        h_hat, err_var = estimator(full, tf.fill([batch], no))
        h_hat = np.transpose(h_hat[:, 0, :, 0], [0, 2, 3, 4, 1])
        expected = np.transpose(err_var[:1, 0, :, 0], [0, 2, 3, 4, 1])
        ratio = (np.abs(h_hat - h) ** 2 / expected).mean(axis=(1, 2, 3, 4))
        # the frame means of the normalised error scatter around 1
        assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(batch)


def test_lmmse_needs_a_lattice_of_pilots():
    mask = np.zeros([1, STREAMS, SYMBOLS, CARRIERS])
    mask[:, :, [0, 1], [0, 1]] = 1
    pattern = PilotPattern(mask, np.ones([1, STREAMS, 2], "complex64"))
    with pytest.raises(ValueError, match="lattice"):
        unlike = grid(pilot_pattern=pattern, pilot_ofdm_symbol_indices=None)
        LMMSEChannelEstimator(unlike, *COVARIANCES)


def test_bp_decoder_decides_as_sionna_does_and_can_be_saved():
    encoder = LDPC5GEncoder(100, 200, 2)
    llr = tf.constant(np.random.default_rng(0).normal(0, 3, (50, 200)), tf.float32)
    decoder = BPDecoder(encoder, num_iter=5)
    expected = LDPC5GDecoder(encoder, hard_out=False, num_iter=5)(llr).numpy()
    assert np.allclose(decoder(llr), expected, rtol=1e-3, atol=1e-3)
    config = keras.saving.serialize_keras_object(decoder)
    restored = keras.saving.deserialize_keras_object(config)
    assert np.array_equal(restored(llr), decoder(llr))


def test_lmmse_can_be_saved():
    estimator = LMMSEChannelEstimator(grid(), *COVARIANCES)
    config = keras.saving.serialize_keras_object(estimator)
    restored = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    y = transmit(2, 0.1, np.random.default_rng(0))[-1]
    for a, b in zip(estimator(y, 0.1), restored(y, 0.1), strict=True):
        assert np.array_equal(a, b)


def test_powers_of_streams_are_those_of_their_covariances():
    no = 0.2
    full = transmit(3, no, np.random.default_rng(2))[3]
    both = LMMSEChannelEstimator(grid(), *COVARIANCES, powers=[1.0, 0.1])(full, no)
    for stream, power in enumerate((1.0, 0.1)):
        scaled = power * COVARIANCES[0], *COVARIANCES[1:]
        alone = LMMSEChannelEstimator(grid(), *scaled)(full, no)
        for ours, theirs in zip(both, alone, strict=True):
            assert np.allclose(ours[..., stream, :, :], theirs[..., stream, :, :])
