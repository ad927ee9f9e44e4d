"""The prior of `score`, adapted to pilots in noise: batches, kernels, a training."""

import json

import numpy as np
import pytest

from link_sim.models.kronecker import response
from link_sim.models.pretrained import load_model
from link_sim.models.spectral import SpectralDenoiser, array_response
from link_sim.recipes import adaptation, ofdm_channels
from link_sim.recipes.adaptation import Received, estimated, kernels, widened
from link_sim.recipes.ofdm_channels import modes_of
from link_sim.world.channel_files import save_channels

FREQUENCIES = 3e5 * np.arange(16)


def normal(rng, *shape):
    return rng.standard_normal((*shape, 2)) @ np.array([1, 1j]) / np.sqrt(2)


@pytest.fixture
def received():
    """Rank-one fields of four antennas at 10 dB, of unit power with their noise."""
    rng = np.random.default_rng(0)
    h = normal(rng, 400, 1, 1, 1) * np.ones((4, 16))
    y = np.sqrt(10 / 11) * h + np.sqrt(1 / 11) * normal(rng, *h.shape)
    into, observed = modes_of(FREQUENCIES)
    axes = response(array_response(4, 16)), observed
    return Received(y[:300], y[300:], 10.0, into, axes)


def test_noise_is_added_up_to_what_is_stated(received):
    """Everything without signal: what is seen is noise, of the stated variance."""
    still = received._replace(learned=np.zeros((1, 1, 4, 16), complex))
    (x, sigma, probe), *_ = adaptation.pilot_batch(0, 1, 2000, still)
    total = 2 * np.ravel(sigma) ** 2
    levels = 10 * np.log10(10 / 11 / total)
    assert np.all((-12 <= levels) & (levels <= 10 + 1e-4))
    added = np.mean(np.sum(x**2, axis=-1), axis=(1, 2, 3))
    expected = total - 1 / 11  # the rest came with the pilots
    scatter = np.sqrt(1 / x[0, ..., 0].size / len(x))
    wanted = np.mean(expected)
    largest = np.sqrt(np.mean(expected**2))
    assert abs(np.mean(added) - wanted) < 4 * scatter * largest
    assert set(np.unique(probe)) == {-1, 1}


def test_what_is_added_to_kernels_is_kept(received):
    denoiser = widened(load_model("csi-ofdm"), received, (16, 64))
    rng = np.random.default_rng(1)
    before = [np.array(layer.kernel) for layer in kernels(denoiser)]
    for layer in kernels(denoiser):
        layer.enable_lora(1)
        layer.lora_kernel_b.assign(rng.standard_normal(layer.lora_kernel_b.shape))
    whole = sum(w.size for w in load_model("csi-ofdm").get_weights())
    added = sum(np.prod(w.shape) for w in denoiser.trainable_weights)
    assert added < 0.06 * whole
    copy = widened(denoiser, received, (16, 64))
    assert len(copy.get_weights()) == len(load_model("csi-ofdm").get_weights())
    for layer, own, old in zip(kernels(denoiser), kernels(copy), before, strict=True):
        change = layer.lora_kernel_a @ layer.lora_kernel_b
        np.testing.assert_allclose(own.kernel, old + change, atol=1e-5)


def test_steins_estimate_is_the_error(received):
    """A denoiser that returns what it sees errs by the noise, in each mode."""

    class Nothing(SpectralDenoiser):
        def call(self, x, sigma, responses=None, training=False):
            return x[:, None]

    share = received.into.shape[1] / received.into.shape[0]
    expected = 10 * np.log10(share / 10)
    scatter = 4 * 4.34 * np.sqrt(2 / received.held_out.size / share)
    found = estimated(Nothing((4, 16), (16, 64)), received)
    assert abs(found - expected) < scatter + 0.01


@pytest.mark.parametrize(
    "options, words",
    [
        ({"rank": 1}, "state their SNR"),
        ({"pilots_db": 3.0}, "a file"),
        ({"pilots_db": np.nan}, "an SNR above -12 dB"),
        ({"pilots_db": -20.0}, "an SNR above -12 dB"),
        ({"pilots_db": 3.0, "rank": -1}, "use 0 or more"),
    ],
)
def test_options_that_need_another_are_refused(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        ofdm_channels.train_ofdm(tmp_path, **options)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_training_from_pilots_writes_weights_and_a_card(tmp_path, rank, received):
    y = np.concatenate([received.learned, received.held_out])[:20, 0]
    save_channels(tmp_path / "y.npz", h=y[:, :, None, :, None], spacing=3e5)
    ofdm_channels.train_ofdm(
        tmp_path, tmp_path / "y.npz", pilots_db=10.0, rank=rank, steps=2, size=4
    )
    card = json.loads((tmp_path / "csi-ofdm.json").read_text())
    assert card["recipe"]["pilots_db"] == 10 and card["recipe"]["rank"] == rank
    assert (card["trained_parameters"] < card["parameters"] / 15) == bool(rank)
    assert card["quality"]["channels"] == 4
    assert load_model(str(tmp_path / "csi-ofdm.npz")).lengths == (4, 16)
