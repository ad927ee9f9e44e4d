"""The score-based estimator of grids: conventions, exact cases, Sionna's own chains."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import OFDMChannel
from sionna.phy.channel.tr38901 import TDL
from sionna.phy.nr import PUSCHConfig, PUSCHReceiver, PUSCHTransmitter
from sionna.phy.ofdm import PilotPattern, ResourceGrid

from link_sim.models.kronecker import response
from link_sim.models.pretrained import load_model
from link_sim.models.spectral import VARIANCE_EXCESS, SpectralDenoiser, array_response
from link_sim.receivers.estimation.delay_windows import (
    delay_grid,
    delay_response,
)
from link_sim.receivers.estimation.ofdm import ScoreChannelEstimator
from link_sim.receivers.estimation.soundings import soundings

pytestmark = pytest.mark.usefixtures("eager")

RNG = np.random.default_rng(0)


def grid(streams=2, fft_size=48, pattern="kronecker"):
    return ResourceGrid(
        14, fft_size, 30e3, 1, streams, pilot_pattern=pattern,
        pilot_ofdm_symbol_indices=[2, 11],
    )  # fmt: skip


@pytest.fixture(scope="module")
def denoiser():
    return load_model("csi-ofdm")


def waves(batch, antennas, streams, carriers, paths=3):
    """Static channels of a few plane waves: complex64 [batch, antennas, streams, k]."""
    turns = RNG.random((batch, 1, paths))
    delay = RNG.uniform(0, 0.5e-6, (batch, 1, paths))
    a = np.exp(2j * np.pi * turns * np.arange(antennas)[:, None])
    f = np.exp(-2j * np.pi * delay * 30e3 * np.arange(carriers)[:, None])
    g = RNG.standard_normal((batch, streams, paths, 2)) @ [1, 1j] / np.sqrt(2 * paths)
    return np.einsum("bap,bsp,bkp->bask", a, g, f).astype("complex64")


def received(resource_grid, h, no):
    """The grid's pilots through static channels [batch, antennas, streams, k]."""
    pattern = resource_grid.pilot_pattern
    mask = np.asarray(pattern.mask)[0]
    sent = np.zeros(mask.shape, "complex64")
    sent[mask.astype(bool)] = np.asarray(pattern.pilots)[0].reshape(-1)
    y = np.einsum("bask,stk->batk", h, sent)
    n = RNG.standard_normal((*y.shape, 2)) @ [1, 1j] * np.sqrt(no / 2)
    return tf.constant((y + n)[:, None], tf.complex64)


def test_noiseless_pilots_give_the_channel(denoiser):
    resource_grid = grid()
    h = waves(4, 4, 2, 48)
    estimator = ScoreChannelEstimator(resource_grid, denoiser, doppler=0.0)
    h_hat, err_var = estimator(received(resource_grid, h, 1e-4), 1e-4)
    assert h_hat.shape == err_var.shape == (4, 1, 4, 1, 2, 14, 48)
    error = np.abs(h_hat[:, 0, :, 0, :, 5] - h) ** 2
    assert np.mean(error) < 1e-3 * np.mean(np.abs(h) ** 2)
    assert np.all(err_var > 0)


def test_more_antennas_than_the_grid_has_angles_do_not_repeat(denoiser):
    """The weights have 16 angles; a grid as coarse would make 24 antennas periodic."""
    resource_grid = grid(streams=1)
    h = waves(3, 24, 1, 48, paths=1)
    estimator = ScoreChannelEstimator(resource_grid, denoiser, doppler=0.0)
    h_hat, _ = estimator(received(resource_grid, h, 0.01), 0.01)
    error = np.abs(h_hat[:, 0, :, 0, :, 5] - h) ** 2
    assert np.mean(error) < 1e-3 * np.mean(np.abs(h) ** 2)


@pytest.mark.slow
@pytest.mark.graphs
@pytest.mark.parametrize("no", [0.03, 0.3])
def test_error_variance_is_calibrated_on_the_default_link(no, denoiser):
    """The normalised error of channels as trained on has unit variance."""
    from link_sim.recipes import ofdm_channels
    from link_sim.recipes.channels import TEST_SEED, noisy

    frequencies = ofdm_channels.default_frequencies()
    h = ofdm_channels.fields(*ofdm_channels.umi_paths(TEST_SEED, 256), frequencies)
    h = h / np.sqrt(np.mean(np.abs(h) ** 2, axis=(1, 2, 3), keepdims=True))
    (x, sigma), x0 = noisy(
        np.random.default_rng(1), h, -10 * np.log10(no), -10 * np.log10(no)
    )
    delays = delay_response(frequencies, delay_grid(frequencies))
    into, observed = ofdm_channels.modes_of(frequencies)
    seen = (x[..., 0] + 1j * x[..., 1]) @ into
    x = np.stack([seen.real, seen.imag], axis=-1).astype("float32")
    own = response(array_response(4, denoiser.points[0]))
    mean, variance = denoiser.posterior(x, sigma, (own.matrix, delays), (own, observed))
    error = np.abs(mean - (x0[..., 0] + 1j * x0[..., 1])) ** 2
    assert np.mean(error) == pytest.approx(np.mean(variance), rel=0.1)


def test_known_spectrum_gives_the_lmmse_estimate():
    """One stream and one pilot symbol: against the dense conditional Gaussian."""

    class Known(keras.layers.Layer):
        def __init__(self, spectrum):
            super().__init__()
            self.wanted = np.log(spectrum).astype("float32")

        def call(self, features):
            p, _, _, difference = (4 * features[..., i] for i in range(4))
            return self.wanted - (p + 0.5 * difference)

    resource_grid = ResourceGrid(
        14, 24, 30e3, 1, 1, pilot_pattern="kronecker", pilot_ofdm_symbol_indices=[3]
    )
    frequencies = 30e3 * np.arange(24)
    delays = delay_grid(frequencies)
    spectra = [RNG.random(16) + 0.01, RNG.random(len(delays)) ** 8]
    spectra[0] /= spectra[0].sum()
    spectra[1] *= 1 / spectra[1].sum()
    prior = SpectralDenoiser((4, 24), (16, 64), rounds=1)
    prior.networks = [Known(spectra[0]), Known(spectra[1] * len(delays))]
    estimator = ScoreChannelEstimator(resource_grid, prior, doppler=0.0)
    y = received(resource_grid, waves(3, 4, 1, 24), 0.2)
    h_hat, err_var = estimator(y, 0.2)
    f = np.kron(array_response(4, 16), delay_response(frequencies, delays))
    c = (f * np.kron(*spectra)) @ f.conj().T
    pilots = np.asarray(resource_grid.pilot_pattern.pilots)[0, 0]
    h_ls = y.numpy()[:, 0, :, 3] / pilots
    _, _, windows = estimator._observed[0]
    modes = np.kron(np.eye(4), windows.into.conj())  # noise alone lies outside them
    for i in range(3):
        energy = np.mean(np.abs(h_ls[i]) ** 2) - 0.2
        scaled = c * max(energy, 2e-4)
        gain = scaled @ np.linalg.inv(scaled + 0.2 * np.eye(96))
        exact = (gain @ h_ls[i].reshape(-1)).reshape(4, 24)
        np.testing.assert_allclose(h_hat[i, 0, :, 0, 0, 7], exact, atol=2e-3)
        variance = np.diag(scaled - gain @ scaled).real
        seen = modes.conj().T @ h_ls[i].reshape(-1)
        inner = modes.conj().T @ scaled @ modes + 0.2 * np.eye(len(seen))
        inverse = np.linalg.inv(inner)
        slope = np.sum(np.abs(inverse @ seen) ** 2) - np.trace(inverse).real
        more = 0.04 * slope / (1 + 0.04 * np.sum(np.abs(inverse) ** 2))
        weights = np.sum(np.abs(scaled @ modes @ inverse) ** 2, axis=1)
        variance = VARIANCE_EXCESS * (variance + max(more, 0) * weights).reshape(4, 24)
        np.testing.assert_allclose(err_var[i, 0, :, 0, 0, 7], variance, atol=2e-3)


def test_permuted_antenna_pairs_of_polarisations_permute_the_estimate(denoiser):
    resource_grid = grid()
    estimator = ScoreChannelEstimator(resource_grid, denoiser, polarisations=2)
    y = received(resource_grid, waves(2, 8, 2, 48), 0.1)
    swap = [1, 0, 3, 2, 5, 4, 7, 6]
    a, _ = estimator(y, 0.1)
    b, _ = estimator(tf.gather(y, swap, axis=2), 0.1)
    np.testing.assert_allclose(tf.gather(b, swap, axis=2), a, atol=1e-4)


def test_fading_over_time_is_that_of_its_covariance(denoiser):
    """Loads are those of the conditional Gaussian over time."""
    from scipy.special import j0

    estimator = ScoreChannelEstimator(grid(), denoiser, doppler=2000.0)
    modes, loads, powers = estimator._fading(np.array([2, 11]))
    c = j0(2 * np.pi * 2000 * np.subtract.outer(np.arange(14), np.arange(14)) / 30e3)
    pilots = c[np.ix_([2, 11], [2, 11])]
    np.testing.assert_allclose(modes * powers @ modes.conj().T, pilots, atol=1e-5)
    gain = loads / np.sqrt(powers) @ modes.conj().T
    np.testing.assert_allclose(gain, c[:, [2, 11]] @ np.linalg.inv(pilots), atol=1e-4)


@pytest.mark.parametrize(
    "layers, ports",
    [
        pytest.param(1, [0], marks=pytest.mark.slow),
        pytest.param(2, [0, 1], marks=pytest.mark.slow),
        (2, [0, 2]),
    ],
)
def test_works_inside_the_pusch_receiver(layers, ports, denoiser):
    """5G DMRS, covered pairs of pilots too: fewer errors than Sionna's estimator."""
    config.seed = 3
    pusch = PUSCHConfig()
    pusch.carrier.n_size_grid = 12
    pusch.carrier.subcarrier_spacing = 30
    pusch.num_antenna_ports = pusch.num_layers = layers
    pusch.dmrs.dmrs_port_set = ports
    pusch.dmrs.additional_position = 1
    pusch.tb.mcs_index = 10
    transmitter = PUSCHTransmitter(pusch)
    model = TDL("A", 100e-9, 3.5e9, max_speed=3.0, num_rx_ant=4, num_tx_ant=layers)
    channel = OFDMChannel(
        model, transmitter.resource_grid, add_awgn=True, normalize_channel=True,
        return_channel=True,
    )  # fmt: skip
    x, b = transmitter(8)
    no = 0.1
    y, h = channel(x, no)
    estimator = ScoreChannelEstimator(transmitter.resource_grid, denoiser)
    ours = PUSCHReceiver(transmitter, channel_estimator=estimator)
    b_hat = ours(y, no)
    assert b_hat.shape == b.shape
    stock = PUSCHReceiver(transmitter)
    errors = []
    for receiver in (ours, stock):
        h_hat, _ = receiver._channel_estimator(y, tf.constant(no))
        errors.append(np.mean(np.abs(h_hat - h) ** 2))
    assert errors[0] < errors[1] / 2


@pytest.mark.slow
@pytest.mark.graphs
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_pusch_receiver_may_be_compiled_around_it(jit_compile, denoiser):
    config.seed = 4
    pusch = PUSCHConfig()
    pusch.carrier.n_size_grid = 2
    pusch.tb.mcs_index = 3
    transmitter = PUSCHTransmitter(pusch)
    x, b = transmitter(2)
    n = RNG.standard_normal((2, 1, 4, *x.shape[-2:], 2)) @ [1, 1j] * 0.2
    y = tf.constant(n, tf.complex64) + x
    estimator = ScoreChannelEstimator(transmitter.resource_grid, denoiser)
    receiver = PUSCHReceiver(transmitter, channel_estimator=estimator)
    compiled = tf.function(receiver, jit_compile=jit_compile)
    np.testing.assert_array_equal(compiled(y, tf.constant(0.08)), b)
    alone = tf.function(estimator, jit_compile=jit_compile)(y, tf.constant(0.08))
    for found, expected in zip(alone, estimator(y, 0.08), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_serialises(denoiser):
    estimator = ScoreChannelEstimator(grid(), denoiser, polarisations=2, doppler=70.0)
    config = keras.saving.serialize_keras_object(estimator)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(estimator.get_weights())
    y = received(grid(), waves(2, 4, 2, 48), 0.1)
    for a, b in zip(copy(y, 0.1), estimator(y, 0.1), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_soundings_find_lattices_and_covers():
    found = soundings(grid(4))
    assert len(found) == 1 and found[0].streams == [0, 1, 2, 3]
    assert found[0].carriers.shape == (4, 12, 1)


def custom(pilots):
    """A grid whose two streams send these pilots on symbol 2 of 14."""
    mask = np.zeros((1, 2, 14, 24), bool)
    mask[:, :, 2] = True
    return grid(2, 24, PilotPattern(mask, np.array(pilots, "complex64")[None]))


def test_bad_input_gets_one_sentence(denoiser):
    with pytest.raises(ValueError, match="unobserved"):
        soundings(custom([np.ones(24), np.zeros(24)]))
    with pytest.raises(ValueError, match="not orthogonal"):
        soundings(custom([np.ones(24), np.ones(24)]))
    estimator = ScoreChannelEstimator(grid(), denoiser, polarisations=2)
    y = received(grid(), waves(1, 4, 2, 48), 0.1)
    with pytest.raises(ValueError, match="must be positive"):
        estimator(y, 0.0)
    with pytest.raises(ValueError, match="NaN"):
        estimator(y * np.nan, 0.1)
    with pytest.raises(ValueError, match="do not split"):
        estimator(y[:, :, :3], 0.1)


def test_streams_with_spectra_of_their_own_do_not_meet(denoiser):
    resource_grid, no = grid(4), 0.1
    h = waves(2, 4, 4, 48)
    y = received(resource_grid, h, no)
    mask = np.asarray(resource_grid.pilot_pattern.mask)[0]
    sent = np.zeros(mask.shape)
    sent[mask.astype(bool)] = np.abs(
        np.asarray(resource_grid.pilot_pattern.pilots)[0]
    ).reshape(-1)  # noqa: E501
    theirs = (sent[2:] > 0).any(axis=0)
    other = tf.where(theirs, 3 * y, y)
    estimator = ScoreChannelEstimator(resource_grid, denoiser, spectra=2)
    for before, after in zip(estimator(y, no), estimator(other, no), strict=True):
        assert np.allclose(before[..., :2, :, :], after[..., :2, :, :], atol=1e-5)
    pooled = ScoreChannelEstimator(resource_grid, denoiser)
    before, after = pooled(y, no)[0], pooled(other, no)[0]
    assert not np.allclose(before[..., :2, :, :], after[..., :2, :, :], atol=1e-3)
    with pytest.raises(ValueError, match="4 streams .* 3 groups"):
        ScoreChannelEstimator(resource_grid, denoiser, spectra=3)
