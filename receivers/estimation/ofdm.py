"""The score-based channel estimator for OFDM resource grids."""

import keras
import numpy as np
from keras import ops
from scipy.special import j0

from link_sim.models import pretrained
from link_sim.models.kronecker import (
    Response,
    as_complex,
    covariance,
    double,
    modes,
    response,
    square,
)
from link_sim.models.spectral import array_response
from link_sim.receivers.estimation.delay_windows import (
    DelayWindows,
    delay_response,
    delay_windows,
    expected_covariance,
)
from link_sim.receivers.estimation.soundings import soundings
from link_sim.receivers.grid_config import grid_from_config, grid_to_config
from link_sim.receivers.layer import ReceiverLayer, values_of

POWER_MISSED, MOST_POWER_MISSED = 0.12, 0.5
"""Power that spectra miss, as a share of what pilots leave unknown (measured on UMi
drops, by the error over what is stated of it); and the most."""
FINENESS = 2
"""Points of the grid of angles per antenna, where the weights have fewer than one."""
WEAKEST_MODE = 1e-4
"""Modes of the fading over time that carry less power than this are left out."""


def angles_of(denoiser, antennas: int) -> Response:
    """Waves over a line of antennas from the angles that a `SpectralDenoiser` tells."""
    points = denoiser.points[0]
    if antennas > points:  # such a grid would repeat along the array
        points = FINENESS * antennas
    return response(array_response(antennas, points))


@keras.saving.register_keras_serializable("link_sim")
class ScoreChannelEstimator(ReceiverLayer):
    """Posterior mean and variance of the channel under a learned prior of channels.

    The denoiser takes the least-squares estimates at the pilots as a noisy channel over
    antennas and subcarriers, with noise known from `no`. It finds the power spectra in
    angle and delay that all streams, polarisations and pilot symbols share, in one
    evaluation, and its posterior fills in what carries no pilots. Over time, fading has
    the spectrum of Clarke and Jakes up to `doppler`: the pilot symbols enter as the
    uncorrelated modes of that process.

    The grid of delays is as fine as the band resolves and spans -0.4 to 12.3
    microseconds, 5.9 in bands of 50 MHz and more, or one period of what the pilots can
    tell: paths later than `largest_delay` are taken for earlier ones or for noise. A
    band above 50 MHz is cut into windows of one spectrum, so that time and memory grow
    as its width. It computes in single precision, covariances in double, and answers in
    the precision of `y`.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid, with any pilots that are orthogonal
        between streams: apart in time or frequency, or by covers over neighbouring
        subcarriers as those of the 5G DMRS
    denoiser : a `SpectralDenoiser` over angle and delay
    polarisations : 2 if the receive antennas alternate between two polarisations, as in
        Sionna's dual-polarised arrays, else 1; of either kind they form a uniform line
    doppler : largest Doppler shift [Hz]: speed times carrier frequency over that of
        light
    spectra : into how many groups of as many streams in a row, such as those of users,
        streams fall that have spectra of their own

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
    another's, if streams do not split into `spectra` groups alike, if the antennas do
    not split into polarisations, and outside graphs for NaN in `y` and for `no` that is
    not positive.

    Example
    -------
    >>> estimator = ScoreChannelEstimator.from_preset("csi-ofdm", resource_grid)
    >>> h_hat, err_var = estimator(y, no)
    """

    def __init__(
        self,
        resource_grid,
        denoiser,
        polarisations=1,
        doppler=35.0,
        spectra=1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        # Keras would hide a grid of Sionna 2, a module of PyTorch, behind another one
        self._grid, self.denoiser = (resource_grid,), denoiser
        self.polarisations, self.doppler = polarisations, doppler
        self.spectra = spectra
        self._carriers = np.asarray(resource_grid.effective_subcarrier_ind)
        spacing = float(resource_grid.subcarrier_spacing)
        self._observed = [
            (sounding.times, *found)
            for sounding in soundings(resource_grid)
            for found in delay_windows(sounding, self._carriers, spacing)
        ]
        self._groups = [self._number_of_groups(found[1]) for found in self._observed]

    @property
    def resource_grid(self):
        return self._grid[0]

    @property
    def largest_delay(self) -> float:
        """Largest delay [s] that the estimate can follow, of paths beside the first."""
        return min(float(windows.delays[-1]) for *_, windows in self._observed)

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
        known = values_of(no), values_of(y)
        if known[0] is not None and not np.all(known[0] > 0):
            raise ValueError("no must be positive: it is the noise variance")
        if known[1] is not None and not np.all(np.isfinite(known[1])):
            raise ValueError(
                "y holds NaN or infinite values: check the blocks before it"
            )
        return super().__call__(y, no, **kwargs)

    def call(self, y, no):
        receivers, antennas = y.shape[1:3]
        y, no = self._used(y, no)
        grid = self.resource_grid
        total = grid.num_tx * grid.num_streams_per_tx
        parts = [None] * total
        observed = zip(self._observed, self._groups, strict=True)
        for (times, streams, windows), groups in observed:
            estimates = self._estimate(y, no, times, windows, groups)
            for position, stream in enumerate(streams):
                parts[stream] = [z[:, :, position] for z in estimates]
        shape = [grid.num_tx, grid.num_streams_per_tx]
        tail = [grid.num_ofdm_symbols, grid.num_effective_subcarriers]
        return tuple(
            ops.reshape(ops.stack(z, 2), [-1, receivers, antennas, *shape, *tail])
            for z in zip(*parts, strict=True)
        )

    def prior(self, y, no, err_var):
        """The `FieldPrior` of the channels whose spectra these pilots tell.

        Streams on unlike lattices tell spectra of their own, which are averaged.
        What pilots leave unknown of the channel may be paths that their spectra do not
        show, or later ones than they can tell: a share of this power has the delays
        that are expected of any channel.

        y, no : as in a call, of one receiver; `spectra` must be 1.
        err_var : that of the call, or a number
        """
        from link_sim.receivers.estimation.data_aided import field_prior

        grid, y_no = self.resource_grid, self._used(y, no)
        frequencies = self._carriers * float(grid.subcarrier_spacing)
        total = grid.num_tx * grid.num_streams_per_tx
        energies, over_antennas, known = [None] * total, 0.0, 0.0
        for times, streams, windows in self._observed:
            x, sigma, scale, _ = self._fields(*y_no, times, windows)
            array = angles_of(self.denoiser, x.shape[5])
            spectra = self.denoiser.spectra(
                *_snapshots(x, sigma, 1), (array, windows.observed)
            )
            share = len(streams) / total
            over_antennas += share * covariance(array.matrix, spectra[0])
            waves = delay_response(frequencies, windows.delays)
            known += share * covariance(waves, spectra[1])
            for position, stream in enumerate(streams):
                energies[stream] = ops.square(scale[:, position, 0, :, 0, 0, 0])
        energies = ops.stack(energies, 1)
        expected = expected_covariance(frequencies)
        frequency = modes(_doubted(known, expected, energies, err_var))
        fading = self._correlation(np.arange(grid.num_ofdm_symbols))
        time = [z[None] for z in np.linalg.eigh(fading)]
        return field_prior(modes(over_antennas), time, frequency, energies)

    def _number_of_groups(self, streams: list[int]) -> int:
        """Of streams with pilots on alike lattices, with spectra of their own."""
        total = self.resource_grid.num_tx * self.resource_grid.num_streams_per_tx
        sizes = np.bincount([s * self.spectra // total for s in streams])
        sizes = sizes[sizes > 0]
        if total % self.spectra or np.any(sizes != sizes[0]):
            raise ValueError(
                f"{total} streams and their pilots do not split into {self.spectra} "
                "groups alike: correct `spectra`"
            )
        return len(sizes)

    def _estimate(self, y, no, times: np.ndarray, windows: DelayWindows, groups: int):
        """Mean and variance [batch, antennas, streams, symbols, subcarriers]."""
        x, sigma, scale, loads = self._fields(y, no, times, windows)
        array = angles_of(self.denoiser, x.shape[5])
        mean, variance = self.denoiser.posterior(
            *_snapshots(x, sigma, groups),
            (array.matrix, windows.wanted),
            (array, windows.observed),
        )
        mean, variance = (
            _pick(ops.reshape(z, (-1, *x.shape[1:-1], z.shape[-1])), windows.picks)
            for z in (mean, variance)
        )
        scale = scale[..., 0]
        return self._join(mean * as_complex(scale), variance * scale**2, loads, scale)

    def _used(self, y, no):
        """y [batch, antennas, symbols, subcarriers] of all receivers, no [batch, 1]."""
        y = ops.take(y, self._carriers, axis=-1)
        no = ops.cast(no, "float32")
        no = ops.reshape(no, (*ops.shape(no), *[1] * (3 - len(no.shape))))
        no = ops.broadcast_to(no, ops.shape(y)[:3])
        y = ops.reshape(y, (-1, *y.shape[2:]))
        return y, ops.reshape(no, (-1, y.shape[1]))[:, :1]

    def _fields(self, y, no, times: np.ndarray, windows: DelayWindows):
        """Noisy channels of mean energy 1, [batch, streams, modes, polarisations,
        windows, antennas, pilots]; their noise per real dimension, the amplitudes that
        were divided out, and the loads of the modes."""
        h_ls, no = self._least_squares(y, no, times, windows)
        over_time, loads, powers = self._fading(times)
        into = over_time.conj() / np.sqrt(powers)
        total, powers = float(powers.sum()), ops.convert_to_tensor(powers)
        x = ops.einsum("baswnk,nm->bsmawk", h_ls, into)
        no = no[:, :, None] / powers  # [batch, streams, modes]
        x = self._split(x)
        energy = ops.mean(square(x), axis=(4, 5, 6)) - no[..., None]
        energy = ops.sum(ops.relu(energy) * powers[:, None], 2, keepdims=True)
        energy = ops.maximum(energy / total, 1e-3 * no[:, :, :1, None])
        scale = ops.sqrt(energy)[..., None, None, None]
        sigma = ops.sqrt(no[..., None, None] / 2) / scale[..., 0, 0]
        sigma = ops.broadcast_to(sigma, ops.shape(x)[:5])
        x = ops.tensordot(x / as_complex(scale), windows.into.astype("complex64"), 1)
        return x, sigma, scale, loads

    def _least_squares(self, y, no, times: np.ndarray, windows: DelayWindows):
        """Estimates [batch, antennas, streams, windows, times, pilots], their noise."""
        seen = ops.take(y, times, axis=2)
        parts = []
        for carriers, pilots in zip(windows.carriers, windows.pilots, strict=True):
            energy = np.sum(np.abs(pilots) ** 2, axis=-1, keepdims=True)
            weights = ops.convert_to_tensor(pilots.conj() / energy, "complex64")
            parts.append(ops.sum(ops.take(seen, carriers, axis=3) * weights, -1))
        energy = np.sum(np.abs(windows.pilots) ** 2, axis=-1).mean(axis=(1, 2, 3))
        h_ls = ops.transpose(ops.stack(parts, 2), [0, 1, 2, 4, 3, 5])
        return h_ls, no / ops.convert_to_tensor(energy, "float32")

    def _fading(self, times: np.ndarray):
        """Modes of the fading at the pilot symbols, [times, modes]; their loads on all
        symbols, [symbols, modes]; and their powers, [modes]."""
        fading = self._correlation(times)
        powers, vectors = np.linalg.eigh(fading[times])
        kept = powers > WEAKEST_MODE * powers[-1]
        powers, vectors = powers[kept].astype("float32"), vectors[:, kept]
        loads = (fading @ vectors / np.sqrt(powers)).astype("float32")
        return vectors.astype("complex64"), loads, powers

    def _correlation(self, times: np.ndarray) -> np.ndarray:
        """Of the fading on all symbols with that at some: [symbols, times]."""
        grid = self.resource_grid
        period = grid.fft_size + int(grid.cyclic_prefix_length)
        period /= grid.fft_size * float(grid.subcarrier_spacing)
        gaps = np.subtract.outer(np.arange(grid.num_ofdm_symbols), times) * period
        return j0(2 * np.pi * self.doppler * gaps)

    def _split(self, x):
        """Splits the antennas, the fourth axis, into polarisations and antennas."""
        p = self.polarisations
        x = ops.reshape(x, (-1, *x.shape[1:3], x.shape[3] // p, p, *x.shape[4:]))
        return ops.transpose(x, [0, 1, 2, 4, 5, 3, 6])

    def _join(self, mean, variance, loads, scale):
        """Adds up the modes of the fading; puts the polarisations together."""
        # [batch, stream, mode, polarisation, antenna, carrier]
        mean = ops.einsum("bsmpak,tm->bapstk", mean, as_complex(loads))
        rest = np.maximum(1 - np.sum(loads**2, axis=1), 0)
        missing = ops.einsum("bsp,t->bpst", scale[:, :, 0, :, 0, 0] ** 2, rest)
        variance = ops.einsum("bsmpak,tm->bapstk", variance, loads**2)
        variance = variance + missing[:, None, ..., None]
        shape = -1, mean.shape[1] * mean.shape[2], *mean.shape[3:]
        return ops.reshape(mean, shape), ops.reshape(variance, shape)

    def get_config(self):
        return {
            **super().get_config(),
            "resource_grid": grid_to_config(self.resource_grid),
            "denoiser": keras.saving.serialize_keras_object(self.denoiser),
            "polarisations": self.polarisations,
            "doppler": self.doppler,
            "spectra": self.spectra,
        }

    @classmethod
    def from_config(cls, config):
        grid = grid_from_config(config["resource_grid"])
        return super().from_config(config | {"resource_grid": grid})


def _doubted(known, expected, energies, err_var):
    """A covariance of which the unknown share of the power is as expected."""
    left = ops.mean(ops.reshape(err_var, (ops.shape(energies)[0], -1)), 1)
    share = ops.minimum(
        POWER_MISSED * left / ops.mean(energies, (1, 2)), MOST_POWER_MISSED
    )
    share = double(share)[:, None, None]
    power = ops.trace(known, axis1=-2, axis2=-1)[:, None, None] / known.shape[-1]
    return (1 - share) * known + share * power * expected


def _pick(z, picks: np.ndarray):
    """Each stream's own carriers, from the windows that they are nearest to.

    z : [batch, streams, modes, polarisations, windows, antennas, nearby] -> [batch,
    streams, modes, polarisations, antennas, subcarriers]
    """
    z = ops.transpose(z, [0, 1, 2, 3, 5, 4, 6])
    z = ops.reshape(z, (-1, *z.shape[1:5], z.shape[5] * z.shape[6]))
    parts = [ops.take(z[:, i], own, axis=-1) for i, own in enumerate(picks)]
    return ops.stack(parts, 1)


def _snapshots(x, sigma, groups: int):
    """Noisy channels that share spectra as the denoiser takes them, and their noise."""
    snapshots = int(np.prod(x.shape[1:5])) // groups
    fields = ops.view_as_real(ops.reshape(x, (-1, snapshots, *x.shape[5:])))
    return fields, ops.reshape(sigma, (-1, snapshots, 1, 1, 1))
