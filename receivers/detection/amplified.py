"""Symbols of a grid behind amplifiers, and the transpose of the derivative."""

import numpy as np
import tensorflow as tf

from link_sim.receivers.detection.elements import GridElements


class Amplified:
    """x + e(x) on the elements with data, e the distortion of the amplifiers.

    Parameters
    ----------
    transmitter : a `LinkContext` with hardware

    Input, output
    -------------
    x : [batch, 1, streams, data symbols], complex64
    """

    def __init__(self, transmitter):
        self._transmitter = transmitter
        grid = transmitter.resource_grid
        carriers = np.asarray(grid.effective_subcarrier_ind)
        symbol, carrier = np.divmod(GridElements(grid).data, len(carriers))
        self._places = symbol * grid.fft_size + carriers[carrier]

    def __call__(self, x):
        x_rg = self._transmitter.place(x)
        return self.data_of(x_rg + self._transmitter.hardware.distortion_of(x_rg))

    def data_of(self, x_rg):
        """Symbols of the elements with data of grids."""
        shape = tf.concat([tf.shape(x_rg)[:3], [-1]], 0)
        return tf.gather(tf.reshape(x_rg, shape), self._places, axis=-1)

    def transpose(self, x, u):
        """M^T u of real and imaginary parts, M = 1 + e'(x)."""
        return self.sent_and_transpose(x, lambda _: u)[1]

    def sent_and_transpose(self, x, of_sent):
        """x + e(x), and M^T u for u = of_sent(x + e(x))."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            sent = self(x)
        return sent, tape.gradient(sent, x, output_gradients=of_sent(sent))
