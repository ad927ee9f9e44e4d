"""Detectors of Sionna by name."""

import tensorflow as tf
from sionna.phy.ofdm import EPDetector, KBestDetector, LinearDetector


def detector(name: str, transmitter):
    """A detector for the grid of `transmitter`: (y, h_hat, err_var, no) -> llr.

    name: `sionna-linear` (LMMSE equalisation), `k-best` (64 candidates) or `ep`
    (expectation propagation, 10 iterations). All give soft bits; the first two by a
    posteriori demapping. Traced apart, since they need AutoGraph and the link does not.
    """
    return tf.function(_detector(name, transmitter))


def _detector(name, transmitter):
    grid, streams = transmitter.resource_grid, transmitter.stream_management
    bits = transmitter.num_bits_per_symbol
    if name == "sionna-linear":
        return LinearDetector(
            "lmmse", "bit", "app", grid, streams, "qam", num_bits_per_symbol=bits
        )
    if name == "k-best":
        count = grid.num_streams_per_tx
        k = min(64, 2 ** (bits * count))
        return KBestDetector("bit", count, k, grid, streams, "qam", bits)
    return EPDetector("bit", grid, streams, bits)
