"""Learned message passing for MIMO detection."""

import keras
import numpy as np
from keras import ops

from link_sim.models.pretrained import list_pretrained, load_model
from link_sim.receivers.detection.mimo import MIMODetector
from link_sim.receivers.detection.symbols import residual

NAMES = {2: "qpsk", 4: "16-qam"}
"""Of the symbols of shipped weights, by their bits."""
STAGES = 3
"""Layers that the decision is taken from, every second one from the last."""


@keras.saving.register_keras_serializable("link_sim")
class GraphAMPDetector(MIMODetector):
    """A posteriori LLRs by `link_sim.models.graph_amp.GraphAMP`.

    Of the last layers, every second, the one whose decisions leave the smallest
    residual gives the LLRs of a vector.

    Parameters
    ----------
    num_bits_per_symbol : 2, 4, 6, 8 or 10
    network : GraphAMP, trained for the levels of these symbols; its weights serve any
        number of streams and antennas

    Input, output : as in `MIMODetector`
    """

    def __init__(self, num_bits_per_symbol, network, **kwargs):
        super().__init__(num_bits_per_symbol, **kwargs)
        if len(network.levels) != len(self.levels):
            raise ValueError(
                f"the network was trained for {len(network.levels) ** 2} symbols, not "
                f"for {2**num_bits_per_symbol}: use the weights made for these"
            )
        self.network = network

    @classmethod
    def from_preset(cls, preset, num_bits_per_symbol, **kwargs):
        """The detector with weights that are shipped or in an `.npz` file.

        preset : path of the file, name of the weights, or `amp-gnn` for those of the
            symbols

        Raises `ValueError` if there are none, or for other symbols.
        """
        names = preset, f"{preset}-{NAMES.get(num_bits_per_symbol)}"
        known = [name for name in names if name in list_pretrained()]
        if not preset.endswith(".npz") and not known:
            raise ValueError(
                f"amp-gnn has no weights for {num_bits_per_symbol} bits per symbol: "
                "use 2 or 4, or the detector ep"
            )
        return cls(num_bits_per_symbol, load_model([*known, preset][0]), **kwargs)

    def logits(self, y, h, noise, prior):
        every = self.network(y, h, noise, prior)
        stages = np.arange(every.shape[1])[::-2][:STAGES]
        every = ops.take(every, stages, axis=1)
        left = [
            residual(logits, y, h, noise, prior, self.levels)
            for logits in ops.unstack(every, axis=1)
        ]
        best = ops.argmin(ops.stack(left, 1), 1)[:, None, None, None]
        return ops.take_along_axis(every, best, axis=1)[:, 0]

    def multiplications(self, antennas, streams):
        rows, columns = 2 * antennas, 2 * streams
        stages = min(STAGES, (self.network.layers + 1) // 2)
        return self.network.multiplications(rows, columns) + stages * rows * columns

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return super().get_config() | {"network": network}
