import numpy as np

from link_sim.models import pretrained
from link_sim.models.bit_planes import BITS, BitPlaneDenoiser, bit_posteriors
from link_sim.models.unet import UNet


def small_denoiser():
    network = UNet((4, 4, 24), 8, (32, 32), (1, 1), "float32")
    return BitPlaneDenoiser(network, (4, 4, 1))


def test_posteriors_of_independent_pixels_equal_brute_force():
    rng = np.random.default_rng(0)
    prior, llr = rng.dirichlet(np.ones(256), 3), rng.normal(0, 3, (5, 3, 8))
    logits = np.array(bit_posteriors(llr, np.log(prior)))
    for image, pixel in np.ndindex(5, 3):
        p = prior[pixel] * np.exp(BITS @ llr[image, pixel])
        odds = [p[BITS[:, i] == 1].sum() / p[BITS[:, i] == 0].sum() for i in range(8)]
        assert np.allclose(logits[image, pixel], np.log(odds), atol=1e-4)


def test_uniform_pixels_add_nothing_even_to_certain_bits():
    llr = np.array([[0.0, 1.0, -30, 30, 7, -0.1, 2, 29]], "float32")
    logits = bit_posteriors(llr, np.zeros(256, "float32"))
    assert np.allclose(logits, llr, rtol=1e-5, atol=1e-5)
    logits = bit_posteriors(np.inf * llr[:, 1:2].repeat(8, 1), np.zeros(256, "float32"))
    assert np.allclose(logits, 30, rtol=1e-5)


def test_untrained_denoiser_is_that_of_independent_pixels_and_can_be_saved(tmp_path):
    denoiser = small_denoiser()
    rng = np.random.default_rng(1)
    prior = np.log(rng.dirichlet(np.ones(256), (4, 4, 1))).astype("float16")
    denoiser.log_prior.assign(prior.astype("float32"))
    llr = rng.normal(0, 3, (2, 4, 4, 1, 8)).astype("float32")
    expected = bit_posteriors(llr, prior.astype("float32"))
    assert np.allclose(denoiser(llr), expected, atol=1e-5)
    path = str(tmp_path / "planes.npz")
    pretrained.save_model(path, denoiser, {"summary": ""})
    assert np.allclose(pretrained.load_model(path)(llr), denoiser(llr), atol=1e-5)
