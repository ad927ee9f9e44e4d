"""What tells how good a transmitted waveform is: PAPR, adjacent leakage, and EVM."""

import numpy as np


def evm_db(sent: np.ndarray, received: np.ndarray) -> float:
    """Error vector magnitude [dB]: energy of received - sent over that of sent."""
    error = np.mean(np.abs(received - sent) ** 2)
    return 10 * float(np.log10(error / np.mean(np.abs(sent) ** 2)))


def papr_db(windows: np.ndarray, probability: float = 0.01) -> float:
    """Peak power of a window over the mean of all, exceeded with a probability [dB].

    windows : complex [number, samples]; oversample fourfold to see the peaks
    """
    power = np.abs(windows) ** 2
    peaks = np.quantile(power.max(axis=-1), 1 - probability)
    return 10 * float(np.log10(peaks / power.mean()))


def aclr_db(samples: np.ndarray, spacing: float, width: float) -> float:
    """Power in a channel over that in the louder of its neighbours [dB].

    samples : complex [rows, number]; the spectrum is a mean over pieces of 1,024 of
        them with a Blackman-Harris window, whose own leakage lies below -90 dB
    spacing, width : of channels, over the rate of the samples

    Raises `ValueError` where the rate does not hold the neighbours.
    """
    if spacing + width / 2 > 0.5:
        raise ValueError(
            f"channels {spacing:.3g} apart and {width:.3g} wide have neighbours beyond "
            "half the sampling rate: oversample more"
        )
    size = min(1024, samples.shape[-1])
    n = np.arange(size) * 2 * np.pi / size
    taper = 0.35875 - 0.48829 * np.cos(n) + 0.14128 * np.cos(2 * n)
    taper -= 0.01168 * np.cos(3 * n)
    whole = samples[..., : samples.shape[-1] // size * size]
    pieces = whole.reshape(-1, size) * taper
    power = np.mean(np.abs(np.fft.fft(pieces)) ** 2, axis=0)
    f = np.fft.fftfreq(size)
    low, own, high = (
        power[np.abs(f - at) <= width / 2].sum() for at in (-spacing, 0, spacing)
    )
    return 10 * float(np.log10(own / max(low, high)))
