"""The score-based channel estimator for OFDM resource grids."""

import keras
import numpy as np
import tensorflow as tf
from scipy.special import j0
from sionna.phy.ofdm import RemoveNulledSubcarriers

from link_sim.models import pretrained
from link_sim.models.spectral import array_response, as_complex
from link_sim.receivers.estimation.soundings import Sounding, soundings
from link_sim.receivers.grid_config import grid_from_config, grid_to_config
from link_sim.receivers.layer import ReceiverLayer

DELAYS = np.arange(64) - 4
"""Grid of the delay spectrum, in steps."""
STEP = 100e-9
"""Of that grid [s], so that it spans -0.4 to 5.9 microseconds, as UMi drops do; less
where pilots are so sparse in frequency that they cannot tell so many delays apart."""
SLOW = 1e-4
"""Modes of the fading over time that carry less power than this are left out."""


@keras.saving.register_keras_serializable("link_sim")
class ScoreChannelEstimator(ReceiverLayer):
    """Posterior mean and variance of the channel under a learned prior of channels.

    The denoiser takes the least-squares estimates at the pilots as a noisy channel over
    antennas and subcarriers, with noise known from `no`. It finds the power spectra in
    angle and delay that all streams, polarisations and pilot symbols share, in one
    evaluation, and its posterior fills in what carries no pilots. Over time, fading has
    the spectrum of Clarke and Jakes up to `doppler`: the pilot symbols enter as the
    uncorrelated modes of that process.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid, with any pilots that are orthogonal
        between streams: apart in time or frequency, or by covers over neighbouring
        subcarriers as those of the 5G DMRS
    denoiser : a `SpectralDenoiser` over angle and delay (`DELAYS`)
    polarisations : 2 if the receive antennas alternate between two polarisations, as in
        Sionna's dual-polarised arrays, else 1; of either kind they form a uniform line
    doppler : largest Doppler shift [Hz]: speed times carrier frequency over that of
        light

    Input
    -----
    y : [batch, receivers, antennas, symbols, fft_size], complex
    no : scalar or [batch, …], noise variance per complex dimension

    Output
    ------
    h_hat : [batch, receivers, antennas, transmitters, streams, symbols, subcarriers],
        complex, over the effective subcarriers
    err_var : like h_hat, float: variance of the error

    Raises `ValueError` if a stream has no pilots or pilots that are not orthogonal to
    another's, if the antennas do not split into polarisations, and outside graphs for
    NaN in `y` and for `no` that is not positive.

    Example
    -------
    >>> estimator = ScoreChannelEstimator.from_preset("csi-ofdm", resource_grid)
    >>> h_hat, err_var = estimator(y, no)
    """

    def __init__(
        self, resource_grid, denoiser, polarisations=1, doppler=35.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.resource_grid, self.denoiser = resource_grid, denoiser
        self.polarisations, self.doppler = polarisations, doppler
        self._remove_nulled = RemoveNulledSubcarriers(resource_grid, precision="single")
        self._frequencies = resource_grid.subcarrier_spacing * np.arange(
            resource_grid.num_effective_subcarriers
        )
        self._soundings = soundings(resource_grid)

    @classmethod
    def from_preset(cls, name: str, resource_grid, **kwargs):
        """The estimator with the shipped weights `name`, or those in an `.npz` file."""
        return cls(resource_grid, pretrained.load_model(name), **kwargs)

    def __call__(self, y, no, **kwargs):
        if y.shape[2] % self.polarisations:
            raise ValueError(
                f"{y.shape[2]} receive antennas do not split into "
                f"{self.polarisations} polarisations: correct `polarisations`"
            )
        if tf.executing_eagerly():
            if not np.all(np.asarray(no) > 0):
                raise ValueError("no must be positive: it is the noise variance")
            if not np.all(np.isfinite(np.asarray(y))):
                raise ValueError(
                    "y holds NaN or infinite values: check the blocks before it"
                )
        return super().__call__(y, no, **kwargs)

    def call(self, y, no):
        y = self._remove_nulled(y)
        receivers, antennas = y.shape[1], y.shape[2]
        no = tf.cast(no, tf.float32)
        no = tf.reshape(no, tf.concat([tf.shape(no), [1] * (3 - no.shape.rank)], 0))
        no = tf.broadcast_to(no, tf.shape(y)[:3])
        no = tf.reshape(no, [-1, antennas])[:, :1]  # [batch * receivers, 1]
        y = tf.reshape(y, [-1, *y.shape[2:]])
        grid = self.resource_grid
        total = grid.num_tx * grid.num_streams_per_tx
        parts = [None] * total
        for sounding in self._soundings:
            estimates = self._estimate(y, no, sounding)
            for position, stream in enumerate(sounding.streams):
                parts[stream] = [z[:, :, position] for z in estimates]
        shape = [grid.num_tx, grid.num_streams_per_tx]
        tail = [grid.num_ofdm_symbols, len(self._frequencies)]
        return tuple(
            tf.reshape(tf.stack(z, 2), [-1, receivers, antennas, *shape, *tail])
            for z in zip(*parts, strict=True)
        )

    def _estimate(self, y, no, sounding: Sounding):
        """Mean and variance [batch, antennas, streams, symbols, subcarriers]."""
        h_ls, no = self._least_squares(y, no, sounding)
        modes, loads, powers = self._fading(sounding.times)
        x = tf.einsum("basnk,nm->bsmak", h_ls, modes.conj() / np.sqrt(powers))
        no = no[:, :, None] / powers  # [batch, streams, modes]
        x = self._split(x)  # [batch, streams, modes, polarisations, antennas, carriers]
        energy = tf.reduce_mean(tf.abs(x) ** 2, axis=(4, 5)) - no[..., None]
        energy = tf.reduce_sum(tf.nn.relu(energy) * powers[:, None], 2, keepdims=True)
        energy = tf.maximum(energy / powers.sum(), 1e-3 * no[:, :, :1, None])
        scale = tf.sqrt(energy)[..., None, None]
        sigma = tf.sqrt(no[..., None, None, None] / 2) / scale
        shape = tf.shape(x)
        snapshots = x.shape[1] * x.shape[2] * x.shape[3]
        array = array_response(x.shape[4], self.denoiser.points[0])
        mean, variance = self.denoiser.posterior(
            _real(tf.reshape(x / as_complex(scale), [-1, snapshots, *x.shape[4:]])),
            tf.reshape(sigma, [-1, snapshots, 1, 1, 1]),
            (array, self._wanted(sounding)),
            (array, self._response(sounding)),
        )
        shape = tf.concat([shape[:-1], [-1]], 0)
        mean = tf.reshape(mean, shape) * as_complex(scale)
        variance = tf.reshape(variance, shape) * scale**2
        return self._join(mean, variance, loads, scale, sounding)

    def _least_squares(self, y, no, sounding: Sounding):
        """Estimates [batch, antennas, streams, times, blocks], and their noise."""
        seen = tf.gather(y, sounding.times, axis=2)
        parts = []
        for carriers, pilots in zip(sounding.carriers, sounding.pilots, strict=True):
            energy = np.sum(np.abs(pilots) ** 2, axis=-1, keepdims=True)
            weights = tf.constant(pilots.conj() / energy, tf.complex64)
            parts.append(tf.reduce_sum(tf.gather(seen, carriers, axis=3) * weights, -1))
        energy = np.mean(np.sum(np.abs(sounding.pilots) ** 2, axis=-1), axis=(1, 2))
        return tf.stack(parts, 2), no / energy.astype("float32")

    def _fading(self, times: np.ndarray):
        """Modes of the fading at the pilot symbols, [times, modes]; their loads on all
        symbols, [symbols, modes]; and their powers, [modes]."""
        grid = self.resource_grid
        period = (grid.fft_size + grid.cyclic_prefix_length) / grid.bandwidth
        gaps = np.subtract.outer(np.arange(grid.num_ofdm_symbols), times) * period
        covariance = j0(2 * np.pi * self.doppler * gaps)
        powers, modes = np.linalg.eigh(covariance[times])
        kept = powers > SLOW * powers[-1]
        powers, modes = powers[kept].astype("float32"), modes[:, kept]
        loads = (covariance @ modes / np.sqrt(powers)).astype("float32")
        return modes.astype("complex64"), loads, powers

    def _split(self, x):
        """Splits the antennas, the fourth axis, into polarisations and antennas."""
        p = self.polarisations
        x = tf.reshape(x, [-1, *x.shape[1:3], x.shape[3] // p, p, x.shape[4]])
        return tf.transpose(x, [0, 1, 2, 4, 3, 5])

    def _delays(self, sounding: Sounding) -> np.ndarray:
        """The grid of delays [s]: at most one period of what the pilots can tell."""
        if sounding.carriers.shape[1] < 2:
            return STEP * DELAYS
        blocks = self._frequencies[sounding.carriers[0]].mean(axis=1)
        return min(STEP, 1 / (len(DELAYS) * np.diff(blocks).min())) * DELAYS

    def _response(self, sounding: Sounding):
        """Of the blocks, relative to the first carrier: complex64 [blocks, delays]."""
        carriers = sounding.carriers[0] - sounding.carriers[0].min()
        frequencies = self._frequencies[carriers]
        return np.mean(delay_response(frequencies, self._delays(sounding)), axis=1)

    def _wanted(self, sounding: Sounding):
        """Of all carriers, relative to the first one of each stream, stream after
        stream: complex64 [streams * carriers, delays]."""
        first = self._frequencies[sounding.carriers.min(axis=(1, 2))]
        delays = self._delays(sounding)
        parts = [delay_response(self._frequencies - f, delays) for f in first]
        return np.concatenate(parts)

    def _join(self, mean, variance, loads, scale, sounding: Sounding):
        """Picks each stream's own carriers and adds up the modes of the fading."""
        own = np.eye(len(sounding.streams), dtype="float32")
        count = len(self._frequencies)
        shape = tf.concat([tf.shape(mean)[:-1], [len(own), count]], 0)
        # [batch, stream, mode, polarisation, antenna, stream, carrier]
        mean = tf.einsum("bsmpauk,su->bsmpak", tf.reshape(mean, shape), as_complex(own))
        variance = tf.einsum("bsmpauk,su->bsmpak", tf.reshape(variance, shape), own)
        mean = tf.einsum("bsmpak,tm->bapstk", mean, as_complex(loads))
        rest = np.maximum(1 - np.sum(loads**2, axis=1), 0)
        missing = tf.einsum("bsp,t->bpst", scale[:, :, 0, :, 0, 0] ** 2, rest)
        variance = tf.einsum("bsmpak,tm->bapstk", variance, loads**2)
        variance = variance + missing[:, None, ..., None]
        shape = tf.concat([[tf.shape(mean)[0], -1], tf.shape(mean)[3:]], 0)
        return tf.reshape(mean, shape), tf.reshape(variance, shape)

    def get_config(self):
        return {
            **super().get_config(),
            "resource_grid": grid_to_config(self.resource_grid),
            "denoiser": keras.saving.serialize_keras_object(self.denoiser),
            "polarisations": self.polarisations,
            "doppler": self.doppler,
        }

    @classmethod
    def from_config(cls, config):
        grid = grid_from_config(config["resource_grid"])
        denoiser = keras.saving.deserialize_keras_object(config["denoiser"])
        return cls(**{**config, "resource_grid": grid, "denoiser": denoiser})


def delay_response(frequencies: np.ndarray, delays=STEP * DELAYS) -> np.ndarray:
    """`exp(-2j pi f tau)` for delays tau [s]: complex64 [..., delays]."""
    return np.exp(-2j * np.pi * frequencies[..., None] * delays).astype("complex64")


def _real(x):
    return tf.stack([tf.math.real(x), tf.math.imag(x)], axis=-1)
