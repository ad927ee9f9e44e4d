"""How strong the noise of a training step is: the one place that draws it."""

import numpy as np

from link_sim.models.training import low_discrepancy


def log_uniform(u, low: float, high: float):
    """Values between `low` and `high`, uniform in log for uniforms `u` on [0, 1)."""
    return np.exp(np.log(low) + (np.log(high) - np.log(low)) * u)


def uniform_db(rng: np.random.Generator, size: int, low_db: float, high_db: float):
    """Noise of `size` signals of unit power, at SNRs uniform in dB, in strata."""
    return 10 ** (-(low_db + (high_db - low_db) * low_discrepancy(rng, size)) / 10)
