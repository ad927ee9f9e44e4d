"""What the cards of semantic decoders say of their quality."""

from collections.abc import Callable

import numpy as np
from keras import ops

from link_sim.receivers.images.bits import image_from_levels
from link_sim.receivers.semantic import num_symbols

IMAGES, SNR_DB = 1000, 7.0


def measure_decoder(
    encoder, decoder_of: Callable, images: np.ndarray, steps: tuple
) -> dict:
    """The quality of a card: PSNR by symbols and by evaluations of the decoder.

    decoder_of : num_steps -> decoder. images : uint8, held out of training.
    """
    quality = {"images": IMAGES, "snr_db": SNR_DB}
    for num_steps in steps:
        for k, psnr_db in decoder_quality(encoder, decoder_of(num_steps), images):
            quality[f"psnr_db_of_{k}_symbols_{num_steps}_steps"] = psnr_db
    return quality


def decoder_quality(encoder, decoder, images: np.ndarray) -> list[tuple]:
    """Symbols per image and PSNR of the mean squared error over AWGN, in dB.

    At a true SNR of 7 dB, at bandwidth ratios 1/48, 1/24, 1/12 and 1/6.
    """
    images = images[:IMAGES, None]
    rng, no = np.random.default_rng(7), 10 ** (-SNR_DB / 10)
    quality = []
    for ratio in (1 / 48, 1 / 24, 1 / 12, 1 / 6):
        k, errors = num_symbols(ratio, decoder.image_shape), []
        for sent in np.split(np.asarray(image_from_levels(images)), 10):
            x = np.asarray(encoder(sent, k, no))
            parts = np.sqrt(no / 2) * rng.standard_normal((2, len(x), 1, k), "float32")
            x_hat = x + parts[0] + 1j * parts[1]
            no_eff = np.full(x_hat.shape, no, "float32")
            received = decoder(ops.convert_to_tensor(x_hat, "complex64"), no_eff)
            errors.append(np.mean((np.asarray(received) - sent) ** 2))
        quality.append((k, round(float(-10 * np.log10(np.mean(errors))), 2)))
    return quality
