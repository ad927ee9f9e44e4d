"""What detectors of symbols behind a channel matrix share."""

import numpy as np
from keras import ops

from link_sim.receivers.detection.symbols import bit_llr, level_logits, pam, real_form
from link_sim.receivers.layer import ReceiverLayer


class MIMODetector(ReceiverLayer):
    """LLRs of the bits of streams behind a matrix, y = H x + n, n ~ CN(0, S).

    Called as Sionna's detectors of `sionna.phy.mimo` are, so that it serves in
    `sionna.phy.ofdm.OFDMDetector`; and with what is known of the bits before. A
    subclass gives `logits(y, h, noise, prior)` for one real problem after the other:
    whitened, real parts first, scaled so that the columns of H have a mean energy of 1.

    Parameters
    ----------
    num_bits_per_symbol : 2, 4, 6, 8 or 10, of square QAM

    Input
    -----
    y : [..., antennas], complex64
    h : [..., antennas, streams], complex64
    s : [..., antennas, antennas], complex64, covariance of noise and interference
    prior : [..., streams, num_bits_per_symbol], float, a priori LLRs; none if left out

    Output
    ------
    llr : [..., streams, num_bits_per_symbol], float, log p(1)/p(0) a posteriori:
        `prior` is part of it
    """

    overloaded = False
    """Whether there may be more streams than antennas."""

    def __init__(self, num_bits_per_symbol, **kwargs):
        super().__init__(**kwargs)
        self.levels, self.labels = pam(num_bits_per_symbol)
        self.num_bits_per_symbol = num_bits_per_symbol

    def call(self, y, h, s, prior=None):
        factor = ops.linalg.cholesky(real_form(y, s)[1])
        y, h = real_form(y, h)
        both = ops.concatenate([y[..., None], h], -1)
        both = ops.linalg.solve_triangular(factor, both, lower=True)
        return bit_llr(self._logits(both[..., 0], both[..., 1:], prior), self.labels)

    def whitened(self, y, h, prior=None):
        """The same for noise of covariance I, as an OFDM grid leaves it at once."""
        logits = self.symbol_logits(y, h, prior)
        return bit_llr(logits, self.labels)

    def symbol_logits(self, y, h, prior=None):
        """Logits of the levels, real parts first: [..., 2 streams, levels]."""
        return self._logits(*real_form(y, h), prior)

    def _logits(self, y, h, prior):
        """The same of real problems [..., 2 antennas], [..., 2 antennas, 2 streams]."""
        shape, (rows, columns) = ops.shape(h)[:-2], h.shape[-2:]
        self.check(rows // 2, columns // 2)
        y, h = ops.reshape(y, (-1, rows)), ops.reshape(h, (-1, rows, columns))
        given = ops.isfinite(ops.sum(y, 1) + ops.sum(h, (1, 2)))
        # a matrix that holds no numbers cannot be factored, nor can one of zeros
        y = ops.where(given[:, None], y, 0.0)
        h = ops.where(given[:, None, None], h, 1.0)
        power = ops.mean(ops.sum(h**2, 1), -1)
        amplitude = ops.rsqrt(power)
        y, h = y * amplitude[:, None], h * amplitude[:, None, None]
        size = [-1, columns, len(self.levels)]
        if prior is None:
            known = ops.zeros((ops.shape(h)[0], *size[1:]))
        else:
            known = ops.reshape(level_logits(prior, self.labels), size)
        logits = self.logits(y, h, 0.5 / power, known)
        logits = ops.where(given[:, None, None], logits, np.nan)
        return ops.reshape(logits, (*shape, *size[1:]))

    def check(self, antennas: int, streams: int) -> None:
        """Raises `ValueError` for more streams than it can tell apart."""
        if streams > antennas and not self.overloaded:
            raise ValueError(
                f"this detector cannot serve {streams} streams and {antennas} "
                "antennas: use ep"
            )

    def multiplications(self, antennas: int, streams: int) -> int | None:
        """Real multiplications of a vector once it is whitened, None if not known.

        Counted are products of matrices and vectors, factors of matrices and layers of
        networks; what a level of an element costs by itself is not.
        """
        return None

    def get_config(self):
        return super().get_config() | {"num_bits_per_symbol": self.num_bits_per_symbol}
