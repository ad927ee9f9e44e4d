"""Impulse responses: from Sionna's models, a traced site, or a user's file."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import RayleighBlockFading, gen_single_sector_topology
from sionna.phy.channel.tr38901 import CDL, TDL, AntennaArray, RMa, UMa, UMi

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.channel_file import check_steps, responses_of
from link_sim.scenarios.ofdm import OfdmScenario
from link_sim.scenarios.sections import Antennas
from link_sim.world.precoding import columns, gain_in_common, precoder
from link_sim.world.ray_sum import sum_rays
from link_sim.world.site_channels import site_impulse_responses
from link_sim.world.spherical_paths import spherical_paths


def impulse_responses(scenario: OfdmScenario, steps: int) -> Callable:
    """A function of (batch size, time steps, rate) that draws `a` and `tau`.

    a : [batch, 1, receive antennas, 1, transmit antennas, paths, time steps], complex64
    tau : [batch, 1, 1, paths], float32 [s]

    Their mean energy is what `channel.normalise` says, unless that is "frame"; steps is
    how many of them a frame takes. Raises `ScenarioError` for an unfit file.
    """
    channel, antennas = scenario.channel, scenario.antennas
    name, carrier = channel.model, channel.carrier_frequency
    if name == "awgn":
        return _awgn(antennas)
    if name == "rayleigh":
        return RayleighBlockFading(1, antennas.receive, 1, antennas.transmit)
    if name in ("cir", "cfr"):
        return _file(scenario, steps)
    if name == "near-field":
        return spherical_paths(scenario)
    if name == "site":
        return site_impulse_responses(scenario)
    if name.startswith("tdl"):
        return _tdl(scenario)
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

    def draw(batch_size, num_time_steps, rate):
        topology = gen_single_sector_topology(
            batch_size, 1, name, min_ut_velocity=speed, max_ut_velocity=speed
        )
        model.set_topology(*topology)
        return model(num_time_steps, rate)

    return draw


def _awgn(antennas: Antennas):
    """One path through which the streams reach the receive antennas by `columns`.

    Each antenna gets an energy of 1 from all streams; what the precoder gains is taken
    out, so that the streams are apart whatever the transmit antennas.
    """
    receive, transmit, streams = antennas.receive, antennas.transmit, antennas.streams
    gain = columns(receive, streams) @ columns(transmit, streams).conj().T
    gain = (gain * np.sqrt(receive)).astype("complex64")

    def draw(batch_size, num_time_steps, rate):
        a = tf.reshape(gain, [1, 1, receive, 1, transmit, 1, 1])
        a = tf.tile(a, [batch_size, 1, 1, 1, 1, 1, num_time_steps])
        return a, tf.zeros([batch_size, 1, 1, 1])

    return draw


def _tdl(scenario: OfdmScenario):
    """Sionna's TDL; the antennas have the direct path in common."""
    channel, antennas = scenario.channel, scenario.antennas
    model = TDL(
        channel.model[-1].upper(),
        channel.delay_spread,
        channel.carrier_frequency,
        min_speed=channel.speed,
        num_rx_ant=antennas.receive,
        num_tx_ant=antennas.transmit,
    )
    if not model.los or scenario.level != "esno_db":
        return model
    direct = float(model.mean_power_los)
    energy = direct * gain_in_common(antennas) + 1 - direct

    def draw(batch_size, num_time_steps, rate):
        a, tau = model(batch_size, num_time_steps, rate)
        return a / np.sqrt(energy).astype("complex64"), tau

    return draw


def _file(scenario: OfdmScenario, steps: int):
    """Draws examples at random from a file; of frequency responses, `tau` is `None`.

    Users, which follow each other in a batch, get different ones.
    """
    found, channel = responses_of(scenario), scenario.channel
    check_steps(scenario, steps)
    together = len(scenario.antennas.powers) // scenario.antennas.streams
    together += len(channel.others)
    if len(found.a) < together:
        raise ScenarioError(
            f"{channel.file.path} has {len(found.a)} examples for {together} users, "
            "who need different ones: supply more, or lower antennas.users or "
            "channel.interferers"
        )
    a = found.a[..., :steps]
    if channel.normalisation == "file":
        a = a / np.sqrt(found.energy(_weights(scenario), scenario.grid, steps))
    a = tf.constant(a[:, None, :, None], tf.complex64)
    tau = None
    if found.tau is not None:
        tau = tf.constant(found.tau[:, None, None], tf.float32)

    def draw(batch_size, num_time_steps, rate):
        if together == 1:
            pick = config.tf_rng.uniform([batch_size], 0, len(a), tf.int32)
        else:
            order = config.tf_rng.uniform([batch_size // together, len(a)])
            pick = tf.reshape(tf.math.top_k(order, together).indices, [-1])
        taps = tf.gather(a, pick)
        if a.shape[-1] == 1:
            taps = tf.repeat(taps, num_time_steps, axis=-1)
        return taps, None if tau is None else tf.gather(tau, pick)

    return draw


def _weights(scenario: OfdmScenario) -> np.ndarray:
    """The precoder, or, where its gain is to stay, one of the same power without."""
    antennas = scenario.antennas
    if scenario.level == "esno_db":
        return precoder(antennas)
    return np.eye(antennas.transmit) / np.sqrt(antennas.transmit)
