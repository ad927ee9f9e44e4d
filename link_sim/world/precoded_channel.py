"""The downlink: one array sends to several users of one antenna each."""

import tensorflow as tf

from link_sim.receivers.catalog import PRECODERS
from link_sim.receivers.entries import build_block
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.link import LinkScenario
from link_sim.world.channel import Channel, apply_channel


class PrecodedChannel(Channel):
    """Sends a stream to each user over the channels of the uplink, used in reverse.

    With h_k [antennas] the channel of user k in a resource element, which the base
    station knows, and V [antennas, users] its beams, user k receives

        y_k = sum_j (h_k v_j) x_j + n_k,  |V|^2 = users:

    to its receiver a channel of one antenna and as many streams, its own the k-th. Each
    resource element is precoded by itself, pilots as well, so that users estimate the
    products h_k v_j. A user's share of the transmit energy is 1 on average, as in the
    uplink; offsets of power are those of the channels.

    Parameters: those of `Channel`, of a scenario of the downlink

    Raises `ScenarioError` as `Channel` does, and for a precoder that does not suit.
    """

    def __init__(self, scenario: LinkScenario, grids_per_frame: int = 1):
        super().__init__(scenario, grids_per_frame)
        antennas, name = scenario.antennas, scenario.antennas.precoder or "rzf"
        try:
            self._beams = build_block(PRECODERS, name, find=scenario.weights_file)
            self._beams.check(antennas.users, antennas.receive)
        except ValueError as error:
            raise ScenarioError(f"antennas.precoder: {error}") from None

    def send(self, x_rg, no):
        """What users receive without noise of grids x_rg, and the channels drawn.

        x_rg : [batch * grids, 1, users, symbols, fft_size]
        no : of the users, a scalar or [batch * grids * users]

        Returns y [batch * grids * users, 1, 1, symbols, fft_size] and h [batch * grids
        * users, 1, 1, 1, users, symbols, fft_size], user by user of each grid.
        """
        h = self._draw(tf.shape(x_rg)[0] // self._grids)
        h = self._precoded(h, no)
        return apply_channel(tf.repeat(x_rg, self._users, axis=0), h), h

    def _precoded(self, h, no):
        users, elements = self._users, h.shape[-2] * h.shape[-1]
        # [batch, antennas, users, symbols, fft_size] -> [elements, users, antennas]
        rows = tf.transpose(h[:, 0, :, 0], [0, 3, 4, 2, 1])
        rows = tf.reshape(rows, [-1, users, h.shape[2]])
        if no.shape.rank:
            no = tf.repeat(no[::users], elements)
        v = self._beams(rows, no / users) * users**0.5
        seen = tf.reshape(rows @ v, [-1, *h.shape[-2:], users, users])
        seen = tf.transpose(seen, [0, 3, 4, 1, 2])  # [batch, user, stream, ...]
        return tf.reshape(seen, [-1, 1, 1, 1, users, *h.shape[-2:]])
