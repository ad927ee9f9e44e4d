"""Coefficients of the clusters of TR 38.901 channels, without storing their rays."""

import numpy as np
import tensorflow as tf
from sionna.phy.channel.tr38901 import ChannelCoefficientsGenerator, Rays, Topology


def sum_rays(model, carrier_frequency, tx_array, rx_array, subclustering):
    """Has a 3GPP model of Sionna sum its rays by `RaySum`.

    All that this project changes inside Sionna is here: its models take no generator of
    coefficients from outside, so that the private attributes of Sionna 1.2 are set. The
    scenarios of drops (`subclustering`) hold conditions on the carrier frequency, which
    as a tensor would need AutoGraph, with which the channel is not traced: it is made a
    number.
    """
    model._cir_sampler = RaySum(carrier_frequency, tx_array, rx_array, subclustering)
    if subclustering:
        model._scenario._carrier_frequency = np.float32(carrier_frequency)


class RaySum(ChannelCoefficientsGenerator):
    """Sionna's channel coefficients, the sum over rays being a matrix product.

    The gain g of a ray between two antennas does not depend on time, and its Doppler
    turn d not on the antennas, so that a cluster's coefficients

        h[antennas, t] = sum_m g[m, antennas] d[m, t]

    (3GPP TR 38.901, eq. 7.5-22; eq. 7.5-28 where clusters are split into sub-clusters)
    need no array of all antennas, rays and times, on which Sionna's block spends most
    of its time. This is compiled; random numbers are drawn outside. So the channel is
    the one that Sionna's block draws in graph mode from the same seed.

    Parameters: those of `ChannelCoefficientsGenerator`.
    """

    def __init__(self, carrier_frequency, tx_array, rx_array, subclustering):
        super().__init__(carrier_frequency, tx_array, rx_array, subclustering)
        self._members = np.ones([1, 1])  # of all rays in the one group
        if subclustering:
            names = "_sub_cl_1_ind", "_sub_cl_2_ind", "_sub_cl_3_ind"
            groups = [getattr(self, name).numpy() for name in names]
            rays = np.arange(sum(map(len, groups)))
            self._members = np.stack([np.isin(rays, group) for group in groups], 1)
            for position, name in enumerate(names):  # where Sionna finds the sums
                setattr(self, name, tf.constant([position]))
        self._compiled = tf.function(self._sums, autograph=False, jit_compile=True)

    def _step_11_nlos(self, phi, topology, rays, t):
        """As Sionna's, with the sum over each group of rays in place of the rays."""
        ends = topology.velocities, topology.tx_orientations, topology.rx_orientations
        angles = rays.aoa, rays.aod, rays.zoa, rays.zod
        arguments = phi, ends, angles, rays.powers, rays.xpr, t
        return self._compiled(topology.moving_end, *arguments)

    def _sums(self, moving_end, phi, ends, angles, powers, xpr, t):
        velocities, *orientations = ends
        topology = Topology(velocities, moving_end, *[None] * 6, *orientations)
        phase = self._step_11_phase_matrix(phi, Rays(None, powers, *angles, xpr))
        gain = self._step_11_field_matrix(topology, *angles, phase)
        gain *= self._step_11_array_offsets(topology, *angles)
        aoa, _, zoa, _ = angles
        turn = self._step_11_doppler_matrix(topology, aoa, zoa, t)
        amplitude = tf.sqrt(powers / tf.cast(tf.shape(phi)[4], powers.dtype))
        weight = amplitude[..., None, None] * self._members.astype("float32")
        turn = tf.cast(weight, turn.dtype)[..., None] * turn[..., None, :]
        return tf.einsum("...muv,...mgt->...guvt", gain, turn)
