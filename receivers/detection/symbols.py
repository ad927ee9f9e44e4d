"""Complex MIMO problems with square QAM as real ones with PAM, and back to bits.

Real parts come first: 2 antennas real rows, 2 streams real columns. Even bits of a
symbol choose its real part and odd bits its imaginary part (3GPP TS 38.211, sec. 5.1).
"""

import numpy as np
from keras import ops
from sionna.phy.mapping import Constellation


def pam(num_bits_per_symbol: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels of one axis of square QAM, ascending, and the bits that choose them.

    Returns float32 [levels] and int [levels, num_bits_per_symbol / 2]. Raises
    `ValueError` for what is no square QAM of at most 10 bits.
    """
    if num_bits_per_symbol not in (2, 4, 6, 8, 10):
        raise ValueError(
            f"num_bits_per_symbol = {num_bits_per_symbol} is no square QAM that this "
            "detector knows: use 2, 4, 6, 8 or 10"
        )
    points = np.asarray(Constellation("qam", num_bits_per_symbol).points)
    shifts = np.arange(num_bits_per_symbol)[::-1]
    labels = np.arange(len(points))[:, None] >> shifts & 1
    axis = np.flatnonzero(~labels[:, 1::2].any(axis=1))
    axis = axis[np.argsort(points[axis].real)]
    return points[axis].real, labels[axis, ::2]


def real_form(y, h):
    """y [..., antennas], h [..., antennas, streams], complex -> both real, doubled."""
    real, imag = ops.real(h), ops.imag(h)
    rows = ops.concatenate([real, -imag], -1), ops.concatenate([imag, real], -1)
    y = ops.concatenate([ops.real(y), ops.imag(y)], -1)
    return y, ops.concatenate(rows, -2)


def level_logits(llr, labels):
    """Logits of the levels [..., 2 streams, levels] of independent bits.

    llr : [..., streams, num_bits_per_symbol], log p(1)/p(0)
    """
    axes = ops.concatenate([llr[..., ::2], llr[..., 1::2]], -2)
    return ops.matmul(axes, labels.T.astype("float32"))


def bit_llr(logits, labels):
    """LLRs [..., streams, num_bits_per_symbol] of the bits of levels.

    logits : [..., 2 streams, levels]
    """

    def collect(levels):
        return ops.logsumexp(ops.take(logits, np.flatnonzero(levels), axis=-1), -1)

    llr = [collect(bit == 1) - collect(bit == 0) for bit in labels.T]
    real, imag = ops.split(ops.stack(llr, -1), 2, axis=-2)
    llr = ops.stack([real, imag], -1)  # [..., streams, bits of an axis, axes]
    return ops.reshape(llr, (*ops.shape(llr)[:-2], 2 * len(labels.T)))


def residual(logits, y, h, noise, prior, levels):
    """-2 log p(y, x) of the most likely levels x, but for constants: [batch].

    logits : [batch, columns, levels]; the others as in `MIMODetector.logits`
    """
    likely = ops.argmax(logits, axis=-1)
    x = ops.take(levels, likely)
    error = y - ops.matmul(h, x[..., None])[..., 0]
    known = ops.log_softmax(prior) + float(np.log(len(levels)))
    known = ops.sum(ops.take_along_axis(known, likely[..., None], -1)[..., 0], -1)
    return ops.sum(error**2, -1) / noise - 2 * known
