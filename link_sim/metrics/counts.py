"""Counts of one batch: sums over frames, from which rates and intervals are computed.

A frame (one channel realisation) is the unit: bits and blocks inside it are not
independent. `q` is the sum over frames of a frame's value, `q_sq` that of its square.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from link_sim.metrics.rates import LLR_SCALES, ROUNDING_MSE

SSIM_WINDOW = 11
"""Pixels; smaller images have no SSIM."""
MS_SSIM_POWERS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
"""Exponents of the five scales."""


def image_counts(
    b: tf.Tensor, image: tf.Tensor, reception: Any, users: int = 1
) -> dict[str, tf.Tensor]:
    """Counts of bits, blocks and images of one receiver (names as in `Transmitter`).

    They are NaN where LLRs or decisions are. Of several users, each with as many images
    of a frame in a row, bits and blocks are counted by user too, as `user_1_bits` etc.
    """
    undecided = tf.reduce_any(tf.math.is_nan(reception.llr))
    wrong = tf.cast(tf.abs(reception.b_hat - b), tf.float64)
    wrong += tf.where(undecided, np.float64(np.nan), 0.0)
    block_wrong = tf.reduce_max(wrong, axis=-1)
    undetected = block_wrong * tf.cast(reception.crc_ok, tf.float64)
    return {
        "frames": tf.shape(b)[0],
        "bits": tf.size(b),
        "blocks": tf.size(block_wrong),
        **_sums("bit_errors", tf.reduce_sum(wrong, axis=[1, 2, 3])),
        **_sums("block_errors", tf.reduce_sum(block_wrong, axis=[1, 2])),
        **_sums("undetected_errors", tf.reduce_sum(undetected, axis=[1, 2])),
        **picture_counts(image, reception.image_hat),
        **(_user_counts(wrong, block_wrong, users) if users > 1 else {}),
    }


def goodput_counts(
    b: tf.Tensor, b_hat: tf.Tensor, information: float, elements: int
) -> dict[str, tf.Tensor]:
    """Counts of goodput, information bits of blocks without error per resource element.

    b, b_hat : [frame, image, block, k]; information : bits of a block that are of an
    image; elements : of all grids of a frame, pilots among them
    """
    right = tf.reduce_all(tf.equal(b, b_hat), axis=-1)
    right = tf.reduce_sum(tf.cast(right, tf.float64), axis=[1, 2])
    return _sums("goodput", right * information / elements)


def _user_counts(
    wrong: tf.Tensor, block_wrong: tf.Tensor, users: int
) -> dict[str, tf.Tensor]:
    """Of wrong bits [frame, image, block, k] and blocks [frame, image, block]."""
    bits, blocks = tf.size(wrong) // users, tf.size(block_wrong) // users
    per_image = tf.reduce_sum(wrong, [2, 3]), tf.reduce_sum(block_wrong, 2)
    per_user = (tf.reshape(z, [-1, users, z.shape[1] // users]) for z in per_image)
    bit_errors, block_errors = (tf.reduce_sum(z, 2) for z in per_user)
    counts: dict[str, tf.Tensor] = {}
    for user in range(users):
        name = f"user_{user + 1}"
        counts |= {f"{name}_bits": bits, f"{name}_blocks": blocks}
        counts |= _sums(f"{name}_bit_errors", bit_errors[:, user])
        counts |= _sums(f"{name}_block_errors", block_errors[:, user])
    return counts


def picture_counts(image: tf.Tensor, image_hat: tf.Tensor) -> dict[str, tf.Tensor]:
    """Counts of pixel errors, [frame, image, height, width, channels] in [0, 1]."""
    error = tf.cast(tf.square(image_hat - image), tf.float64)
    error = tf.reduce_mean(error, axis=[2, 3, 4])  # [frame, image]
    psnr = -10 * _log10(tf.maximum(error, ROUNDING_MSE))
    counts = {
        "images": tf.size(error),
        **_sums("squared_error", tf.reduce_mean(error, axis=1)),
        **_sums("psnr", tf.reduce_mean(psnr, axis=1)),
    }
    if min(image.shape[2:4]) >= SSIM_WINDOW:
        ssim = tf.image.ssim(image, image_hat, max_val=1.0)
        counts |= _sums("ssim", tf.reduce_mean(ssim, axis=1))
    return counts


def detection_counts(
    wrong: tf.Tensor, llr: tf.Tensor, b: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Counts of uncoded symbols and of their soft bits; a frame is a vector.

    `information_…` is 1 - E log2(1 + exp(-s l)) for the LLRs l of the bits sent, scaled
    by s, times the bits of a symbol: the rate that a code can reach with them (Martinez
    et al. 2009). `stated_errors` is what the LLRs give for the errors of hard bits,
    sum 1 / (1 + exp |l|).

    wrong : [vectors, streams], bool; llr and b : [vectors, streams, bits]
    """
    llr = tf.cast(llr, tf.float64)
    right = tf.where(b > 0, llr, -llr)
    stated = tf.reduce_sum(tf.sigmoid(-tf.abs(llr)), axis=[1, 2])
    undecided = tf.where(tf.math.is_nan(llr), np.float64(np.nan), 0.0)
    errors = tf.reduce_sum(tf.cast(right < 0, tf.float64) + undecided, axis=[1, 2])
    wrong = tf.cast(wrong, tf.float64) + tf.reduce_sum(undecided, -1)
    counts = {
        "frames": tf.shape(wrong)[0],
        "vectors": tf.shape(wrong)[0],
        "symbols": tf.size(wrong),
        "bits": tf.size(llr),
        **_sums("symbol_errors", tf.reduce_sum(wrong, axis=1)),
        **_sums("vector_errors", tf.reduce_max(wrong, axis=1)),
        **_sums("bit_errors", errors),
        **_sums("stated_errors", stated),
        "bit_stated_errors": tf.reduce_sum(errors * stated),
    }
    for percent in LLR_SCALES:
        loss = tf.nn.softplus(-right * percent / 100) / np.log(2)
        mean = tf.reduce_mean(loss, axis=[1, 2])
        counts |= _sums(f"information_{percent}", llr.shape[-1] * (1 - mean))
    return counts


def constant_counts(name: str, value: float, frames: int) -> dict[str, float]:
    """Counts of what is the same in each of some frames."""
    return {name: value * frames, f"{name}_sq": value**2 * frames}


def multiscale_counts(image: tf.Tensor, image_hat: tf.Tensor) -> dict[str, tf.Tensor]:
    """Counts of MS-SSIM (Wang et al. 2003), window of 11 pixels, published exponents.

    Smaller images than the five scales need have the two that 22 pixels allow, with
    exponents scaled to sum 1.
    """
    powers = MS_SSIM_POWERS
    if min(image.shape[2:4]) < SSIM_WINDOW << len(powers) - 1:
        powers = [power / sum(powers[:2]) for power in powers[:2]]
    shape = [-1, *image.shape[2:]]
    flat = (tf.reshape(x, shape) for x in (image, image_hat))
    ssim = tf.image.ssim_multiscale(*flat, 1.0, powers, filter_size=SSIM_WINDOW)
    return _sums("ms_ssim", tf.reduce_mean(tf.reshape(ssim, tf.shape(image)[:2]), 1))


def distance_counts(distance: tf.Tensor) -> dict[str, tf.Tensor]:
    """Counts of LPIPS, [frame, image]."""
    return _sums("lpips", tf.reduce_mean(distance, axis=1))


def failure_counts(lost: tf.Tensor) -> dict[str, tf.Tensor]:
    """Counts of blocks that were not decoded, bool [frame, image], a block an image."""
    per_frame = tf.reduce_sum(tf.cast(lost, tf.float64), axis=1)
    return {"blocks": tf.size(lost), **_sums("block_errors", per_frame)}


def channel_counts(
    h: tf.Tensor, h_hat: tf.Tensor, grids_per_frame: int
) -> dict[str, tf.Tensor]:
    """Counts of the channel estimation error, NMSE = |h_hat - h|^2 / |h|^2."""

    def energy(x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(tf.abs(x), tf.float64) ** 2
        return tf.reduce_sum(tf.reshape(x, [tf.shape(x)[0] // grids_per_frame, -1]), 1)

    error, power = energy(h_hat - h), energy(h)
    return {
        **_sums("nmse", error / power),
        **_sums("channel_error", error),
        **_sums("channel_power", power),
        "channel_error_power": tf.reduce_sum(error * power),
    }


def estimation_counts(
    h: tf.Tensor, h_hat: tf.Tensor, err_var: tf.Tensor
) -> dict[str, Any]:
    """The same of frames, and counts of squared error over the variance `err_var`."""
    h_hat = tf.cast(h_hat, h.dtype)
    error = tf.cast(tf.abs(h_hat - h), tf.float64) ** 2 / tf.cast(err_var, tf.float64)
    axes = list(range(1, error.shape.rank))
    return {
        "frames": len(h),
        **channel_counts(h, h_hat, 1),
        **_sums("normalised_error", tf.reduce_mean(error, axes)),
    }


def feedback_counts(
    h: np.ndarray, h_hat: np.ndarray, spent: np.ndarray, snr: float
) -> dict[str, tf.Tensor]:
    """Counts of channels told in bits, complex [frame, antennas, columns].

    Of each column (a carrier, or an antenna of the user): cosine, |h_hat^H h| over the
    norms of both; beam_rate, log2(1 + snr |h_hat^H h|^2 / |h_hat|^2) of a beam that
    matches what was told. Columns of which nothing was told count 0 in both means.
    spent : bits
    """
    norms = (np.linalg.norm(x, axis=1) for x in (h, h_hat))
    whole, told = (np.maximum(norm, 1e-12) for norm in norms)
    match = np.abs(np.sum(np.conj(h_hat) * h, axis=1)) / told
    return {
        **_sums("cosine", np.mean(match / whole, axis=1)),
        **_sums("beam_rate", np.mean(np.log2(1 + snr * match**2), axis=1)),
        **_sums("spent", spent),
    }


def rate_counts(rates: tf.Tensor) -> dict[str, tf.Tensor]:
    """Counts of the rates of users, [frame, users] in bit per channel use.

    Fairness is Jain's, (sum r)^2 / (users sum r^2) (Jain, Chiu and Hawe 1984).
    """
    rates = tf.cast(rates, tf.float64)
    total = tf.reduce_sum(rates, axis=1)
    squares = tf.reduce_sum(rates**2, axis=1) * rates.shape[1]
    return {
        "frames": tf.shape(rates)[0],
        **_sums("sum_rate", total),
        **_sums("lowest_rate", tf.reduce_min(rates, axis=1)),
        **_sums("fairness", total**2 / squares),
    }


def class_counts(
    classifier: Callable, image: tf.Tensor, labels: tf.Tensor | None = None
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """A function of `image_hat` that counts what a classifier makes of it.

    `class_flips` are images whose class is another than that of the image sent;
    `logit_i` and `logit_i_j` are sums over images of logits and of their products, and
    `sent_…` those of the images sent, for the Fréchet distance between them. With
    `labels` [frame, image], `class_hits` are images found to be of their true class.
    """
    sent = _logits(classifier, image)
    sent_sums = _moments("sent_logit", sent)

    def counts(image_hat: tf.Tensor) -> dict[str, tf.Tensor]:
        found = _logits(classifier, image_hat)
        flips = tf.not_equal(tf.argmax(found, -1), tf.argmax(sent, -1))
        per_frame = tf.reduce_sum(tf.cast(flips, tf.float64), axis=1)
        sums = _sums("class_flips", per_frame) | _moments("logit", found) | sent_sums
        if labels is not None:
            hits = tf.equal(tf.argmax(found, -1), labels)
            sums |= _sums("class_hits", tf.reduce_sum(tf.cast(hits, tf.float64), 1))
        return sums

    return counts


def _logits(classifier: Callable, image: tf.Tensor) -> tf.Tensor:
    """[frame, image, class], float64."""
    logits = classifier(tf.reshape(image, [-1, *image.shape[2:]]))[0]
    shape = tf.concat([tf.shape(image)[:2], logits.shape[-1:]], 0)
    return tf.cast(tf.reshape(logits, shape), tf.float64)


def _moments(name: str, x: tf.Tensor) -> dict[str, tf.Tensor]:
    classes = x.shape[-1]
    x = tf.reshape(x, [-1, classes])
    first, second = tf.reduce_sum(x, axis=0), tf.matmul(x, x, transpose_a=True)
    pairs = [(i, j) for i in range(classes) for j in range(i, classes)]
    return {f"{name}_{i}": first[i] for i in range(classes)} | {
        f"{name}_{i}_{j}": second[i, j] for i, j in pairs
    }


def _sums(name: str, per_frame: tf.Tensor) -> dict[str, tf.Tensor]:
    per_frame = tf.cast(per_frame, tf.float64)
    return {
        name: tf.reduce_sum(per_frame),
        f"{name}_sq": tf.reduce_sum(per_frame**2),
    }


def _log10(x: tf.Tensor) -> tf.Tensor:
    return tf.math.log(x) / tf.math.log(tf.constant(10, x.dtype))
