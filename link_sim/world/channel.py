"""Channels: frequency responses over a frame, from Sionna's models or a user's file."""

import numpy as np
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import (
    RayleighBlockFading,
    gen_single_sector_topology,
    subcarrier_frequencies,
)
from sionna.phy.channel.tr38901 import CDL, TDL, AntennaArray, RMa, UMa, UMi

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.link import LinkScenario
from link_sim.scenarios.sections import Antennas
from link_sim.world.ray_sum import sum_rays

NORMALISED = "awgn", "rayleigh", "tdl"
"""Models whose mean energy is 1 already, whatever the antennas."""


class Channel:
    """Draws frequency responses from the transmitted streams to the receive antennas.

    The response of a frame runs on through its grids. It includes the precoder and the
    power split: streams share a transmit energy of 1, through orthonormal columns of
    the identity (as many antennas as streams) or of a DFT matrix (more antennas).

    Parameters
    ----------
    scenario : the scenario whose channel, grid and antennas are used
    grids_per_frame : number of consecutive OFDM grids in a frame

    Input
    -----
    batch_size : number of frames

    Output
    ------
    h : [batch * grids_per_frame, 1, receive antennas, 1, streams, symbols, fft_size],
        complex64, constant over an OFDM symbol

    Raises `ScenarioError` if Sionna cannot build the channel or the file is unfit.
    """

    def __init__(self, scenario: LinkScenario, grids_per_frame: int = 1):
        grid, self._antennas = scenario.grid, scenario.antennas
        self._symbols, self._grids = grid.symbols, grids_per_frame
        samples = grid.fft_size + grid.cyclic_prefix
        self._symbol_rate = grid.subcarrier_spacing * grid.fft_size / samples
        self._frequencies = subcarrier_frequencies(
            grid.fft_size, grid.subcarrier_spacing
        )
        self._normalise = not scenario.channel.model.startswith(NORMALISED)
        self._precoder = tf.constant(precoder(scenario.antennas))
        self._response = tf.function(
            self._frequency_response, autograph=False, jit_compile=True
        )
        try:
            self._impulse_responses = _model(scenario)
        except ScenarioError:
            raise
        except (AssertionError, ValueError) as error:
            raise ScenarioError(
                f"channel.model = '{scenario.channel.model}' cannot be built: {error}"
            ) from None

    def __call__(self, batch_size):
        steps = self._grids * self._symbols
        return self._response(
            *self._impulse_responses(batch_size, steps, self._symbol_rate)
        )

    def _frequency_response(self, a, tau):
        h = frequency_response(a, tau, self._frequencies)
        if self._normalise:
            energy = tf.reduce_mean(tf.abs(h) ** 2, axis=(2, 4, 5, 6), keepdims=True)
            h /= tf.cast(tf.sqrt(energy), h.dtype)
        h = tf.einsum("brxtasf,am->brxtmsf", h, self._precoder)
        if self._grids == 1:
            return h
        shape = [*h.shape[1:5], self._grids, self._symbols, h.shape[-1]]
        h = tf.reshape(h, tf.concat([tf.shape(h)[:1], shape], 0))
        h = tf.transpose(h, [0, 5, 1, 2, 3, 4, 6, 7])
        return tf.reshape(h, tf.concat([[-1], tf.shape(h)[2:]], 0))


def frequency_response(a, tau, frequencies):
    """h = sum_p a_p exp(-2j pi f tau_p), as a matrix product over the paths p.

    a : [batch, 1, receive antennas, 1, transmit antennas, paths, symbols], complex64
    tau : [batch, 1, 1, paths], float [s]; frequencies : [subcarriers], float [Hz]

    Returns [batch, 1, receive antennas, 1, transmit antennas, symbols, subcarriers].
    `sionna.phy.channel.cir_to_ofdm_channel` sums the same terms one by one.
    """
    phase = -2 * np.pi * tau[:, 0, 0, :, None] * frequencies
    turns = tf.exp(tf.complex(0.0, phase))
    taps = tf.transpose(a, [0, 1, 2, 3, 4, 6, 5])
    shape = tf.shape(taps)
    h = tf.reshape(taps, [shape[0], -1, shape[-1]]) @ turns
    return tf.reshape(h, tf.concat([shape[:-1], tf.shape(frequencies)], 0))


def precoder(antennas: Antennas) -> np.ndarray:
    """The map of streams to antennas: complex64 [transmit, streams], total power 1."""
    transmit, streams = antennas.transmit, antennas.streams
    if transmit == streams:
        columns = np.eye(streams)
    else:
        phase = np.outer(np.arange(transmit), np.arange(streams)) / transmit
        columns = np.exp(-2j * np.pi * phase) / np.sqrt(transmit)
    return (columns / np.sqrt(streams)).astype("complex64")


def apply_channel(x_rg, h):
    """The noiseless received grid, [batch, 1, receive antennas, symbols, fft_size]."""
    return tf.reduce_sum(h[:, :, :, 0] * x_rg[:, None, :1], axis=3)


def add_noise(y, no):
    """Adds complex white noise of variance `no` per complex dimension, also [batch]."""
    std = tf.reshape(tf.sqrt(no / 2), [-1] + [1] * (y.shape.rank - 1))
    real, imag = (std * config.tf_rng.normal(tf.shape(y)) for _ in range(2))
    return y + tf.complex(real, imag)


def covariances(draw, frames: int = 512) -> tuple[np.ndarray, ...]:
    """Arguments of `LMMSEChannelEstimator` after the grid, from channels drawn.

    draw : number of frames -> h without nulled subcarriers; called several times.
    Raises `ScenarioError` if memory does not hold the channels.
    """
    axes = "brxtasf,brxtauf->su", "brxtasf,brxtasg->fg", "brxtasf,brytasf->xy"
    sums = [0.0, 0.0, 0.0]
    for _ in range(frames // 32):
        try:
            h = draw(tf.constant(32))
            terms = [tf.einsum(axis, h, tf.math.conj(h)).numpy() for axis in axes]
        except (tf.errors.ResourceExhaustedError, MemoryError):
            raise ScenarioError(
                "the channels from which lmmse learns their covariances do not fit in "
                "memory: lower antennas or grid.fft_size, or leave lmmse out"
            ) from None
        sums = [total + term for total, term in zip(sums, terms, strict=True)]
    scaled = [c / np.trace(c).real * len(c) for c in sums]
    energy = np.trace(sums[0]).real / (frames // 32 * tf.size(h).numpy())
    return energy * scaled[0], *scaled[1:]


def _model(scenario: LinkScenario):
    """A function of (batch size, time steps, rate) that draws impulse responses."""
    channel, antennas = scenario.channel, scenario.antennas
    name, carrier = channel.model, channel.carrier_frequency
    if name == "awgn":
        return _awgn(antennas)
    if name == "rayleigh":
        return RayleighBlockFading(1, antennas.receive, 1, antennas.transmit)
    if name == "cir":
        return _file(scenario)
    if name.startswith("tdl"):
        return TDL(
            name[-1].upper(),
            channel.delay_spread,
            carrier,
            min_speed=channel.speed,
            num_rx_ant=antennas.receive,
            num_tx_ant=antennas.transmit,
        )
    ut_array = _array(antennas.transmit, antennas.polarisation, "omni", carrier)
    bs_array = _array(antennas.receive, antennas.polarisation, "38.901", carrier)
    if name.startswith("cdl"):
        model = CDL(
            name[-1].upper(),
            channel.delay_spread,
            carrier,
            ut_array,
            bs_array,
            "uplink",
            min_speed=channel.speed,
        )
        sum_rays(model, carrier, ut_array, bs_array, subclustering=False)
        return model
    arguments = dict(
        carrier_frequency=carrier,
        ut_array=ut_array,
        bs_array=bs_array,
        direction="uplink",
        enable_pathloss=False,
        enable_shadow_fading=False,
    )
    if name == "rma":
        model = RMa(**arguments)
    else:
        model = {"umi": UMi, "uma": UMa}[name](o2i_model="low", **arguments)
    sum_rays(model, carrier, ut_array, bs_array, subclustering=True)
    return _drops(model, name, channel.speed)


def _array(count: int, polarisation: str, pattern: str, carrier: float) -> AntennaArray:
    """A horizontal uniform linear array of single elements or cross-polarised pairs."""
    dual = polarisation == "dual" and count > 1
    return AntennaArray(
        num_rows=1,
        num_cols=count // 2 if dual else count,
        polarization="dual" if dual else "single",
        polarization_type="cross" if dual else "V",
        antenna_pattern=pattern,
        carrier_frequency=carrier,
    )


def _drops(model, name: str, speed: float):
    """Draws one user terminal per frame, anew in each call, and its channel.

    The drop is made inside the (possibly traced) call: set outside, it would be frozen
    into the graph.
    """

    def impulse_responses(batch_size, num_time_steps, rate):
        topology = gen_single_sector_topology(
            batch_size, 1, name, min_ut_velocity=speed, max_ut_velocity=speed
        )
        model.set_topology(*topology)
        return model(num_time_steps, rate)

    return impulse_responses


def _awgn(antennas: Antennas):
    """One path of gain 1 from stream i to receive antenna i."""
    gain = np.zeros([antennas.receive, antennas.transmit], "complex64")
    columns = precoder(antennas) * np.sqrt(antennas.streams)
    gain[: antennas.streams] = columns.conj().T

    def impulse_responses(batch_size, num_time_steps, rate):
        a = tf.reshape(gain, [1, 1, antennas.receive, 1, antennas.transmit, 1, 1])
        a = tf.tile(a, [batch_size, 1, 1, 1, 1, 1, num_time_steps])
        return a, tf.zeros([batch_size, 1, 1, 1])

    return impulse_responses


def _file(scenario: LinkScenario):
    """Draws examples at random from the arrays `a` and `tau` of an `.npz` file."""
    a, tau = _read_file(scenario)
    a = tf.constant(a[:, None, :, None], tf.complex64)
    tau = tf.constant(tau[:, None, None], tf.float32)

    def impulse_responses(batch_size, num_time_steps, rate):
        if 1 < a.shape[-1] < num_time_steps:
            raise ScenarioError(
                f"{scenario.channel.file.path} has {a.shape[-1]} time steps, a frame "
                f"takes "
                f"{num_time_steps}: supply as many, or 1 for a static channel"
            )
        pick = config.tf_rng.uniform([batch_size], 0, len(a), tf.int32)
        taps = tf.gather(a, pick)[..., :num_time_steps]
        if a.shape[-1] == 1:
            taps = tf.repeat(taps, num_time_steps, axis=-1)
        return taps, tf.gather(tau, pick)

    return impulse_responses


def _read_file(scenario: LinkScenario):
    """Arrays `a`, largest value 1 in each example, and `tau` of the channel's file."""
    channel, antennas = scenario.channel, scenario.antennas
    path = channel.file.path
    try:
        channel.file.checked()
        with np.load(path, allow_pickle=False) as arrays:
            a, tau = arrays["a"], arrays["tau"]
    except Exception as error:
        raise ScenarioError(
            f"channel.file = '{path}' is not an .npz with arrays a and tau: {error}"
        ) from None
    expected = (antennas.receive, antennas.transmit)
    if a.ndim != 5 or a.shape[1:3] != expected or not np.iscomplexobj(a) or not a.size:
        raise ScenarioError(
            f"the array a in {path} has shape {a.shape} and type {a.dtype}: it must be "
            f"complex [examples, {expected[0]}, {expected[1]}, paths, time steps]"
        )
    if tau.shape != (a.shape[0], a.shape[3]) or tau.dtype.kind not in "fiu":
        raise ScenarioError(
            f"the array tau in {path} has shape {tau.shape} and type {tau.dtype}: it "
            f"must be real [{a.shape[0]}, {a.shape[3]}], a delay per example and path"
        )
    if not (np.isfinite(a).all() and np.isfinite(tau).all() and (tau >= 0).all()):
        raise ScenarioError(
            f"{path} holds NaN, infinite values or negative delays: remove them"
        )
    symbol = 1 / scenario.grid.subcarrier_spacing
    if tau.max() > symbol:
        raise ScenarioError(
            f"{path} holds a delay of {tau.max():.3g} s, longer than an OFDM symbol of "
            f"{symbol:.3g} s: give tau in seconds"
        )
    parts = np.maximum(np.abs(a.real), np.abs(a.imag))
    largest = parts.max(axis=(1, 2, 3, 4), keepdims=True).astype("float64")
    if largest.min() < np.finfo("float64").tiny:
        raise ScenarioError(f"{path} holds an example without energy: remove it")
    return a.astype("complex128") / largest, tau
