"""Training of the autoencoder of channels: the untrained one is a transform coder."""

import numpy as np
import pytest

from link_sim.models.channel_autoencoder import ChannelAutoencoder
from link_sim.models.kronecker_mixture import covariances
from link_sim.receivers.feedback.transform import water_level
from link_sim.recipes import channel_feedback


@pytest.mark.slow
def test_before_training_the_error_is_that_of_reverse_water_filling(monkeypatch):
    monkeypatch.setattr(channel_feedback, "GROUPS", 1)
    (h, bits, noise), *_ = channel_feedback.feedback_batch(0, 1, 64)
    network = ChannelAutoencoder()
    network.begin(covariances(h[..., 0] + 1j * h[..., 1]))
    z = np.asarray(network.encode(h[..., 0] + 1j * h[..., 1]))
    variances = -np.sort(-np.mean(np.abs(z) ** 2, axis=0).ravel().astype(float))
    exact = np.minimum(variances, water_level(variances, float(bits[0, 0]))).mean()
    found = np.asarray(channel_feedback.ToldInBits(network)(h, bits, noise))
    # noise on at least 48 / 10 components of 64 channels: 6 % is a standard deviation
    np.testing.assert_allclose(np.exp(found), exact, rtol=0.2)
