import numpy as np
import pytest
import tensorflow as tf

from link_sim.scenarios.loading import ScenarioError
from link_sim.world.picture_codec import compress, decompress
from link_sim.world.separation import (
    MCS_TABLE,
    SNRS_DB,
    Mcs,
    Separation,
    choose_mcs,
    legal_efficiency,
    mutual_information,
)

pytestmark = pytest.mark.usefixtures("eager")

RNG = np.random.default_rng(0)
IMAGES = np.kron(RNG.integers(0, 256, (60, 1, 4, 4, 1)), np.ones((7, 7, 1)))
IMAGES = IMAGES.astype(np.uint8)


def over_awgn(chain, image, snr_db):
    no = np.float32(10 ** (-snr_db / 10))
    x = np.asarray(chain.send(image))
    total = x.sum(axis=1, keepdims=True)
    parts = RNG.standard_normal((2, *total.shape))
    y = total + np.sqrt(no / 2) * (parts[0] + 1j * parts[1])
    x_hat = np.repeat(y, image.shape[1], axis=1).astype("complex64")
    no_eff = np.full(x.shape, no)
    return chain.receive(tf.constant(x_hat), tf.constant(no_eff), image.shape[2:]), x


def test_qpsk_information_is_that_of_two_binary_channels():
    # 1 - E log2(1 + exp(-llr)) of BPSK at Es/N0 = 3 dB a symbol, by quadrature
    snr_db, grid = 3.0, np.linspace(-12, 12, 4801)
    no = 10 ** (-snr_db / 10)
    llr = 4 * np.sqrt(0.5) / no * (np.sqrt(0.5) + np.sqrt(no / 2) * grid)
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    exact = 2 * np.sum(density * (1 - np.logaddexp(0, -llr) / np.log(2))) * 0.005
    table = np.interp(snr_db, SNRS_DB, mutual_information(2))
    assert abs(table - exact) < 4 * 2 * 0.5 / np.sqrt(10_000)
    # published limit of 64-QAM at rate 1/2 with Gray labels: 9.4 dB
    at_limit = np.interp(9.44, SNRS_DB, mutual_information(6))
    assert abs(at_limit - 3.0) < 0.1


def test_no_choice_exceeds_the_capacity_of_the_channel():
    for snr_db in range(-6, 31, 3):
        no_eff = np.full((10, 512), 10 ** (-snr_db / 10))
        mcs = choose_mcs(no_eff)
        capacity = np.log2(1 + 10 ** (snr_db / 10))
        assert mcs == MCS_TABLE[0] or mcs.efficiency < capacity
        assert mcs.efficiency > 0.55 * capacity - 0.3
    shorter = legal_efficiency(np.full((1, 64), 0.2), 4)
    longer = legal_efficiency(np.full((1, 4096), 0.2), 4)
    assert shorter < longer - 0.2


@pytest.mark.parametrize("users", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_legal_choice_is_decoded_and_3_db_less_is_not(users):
    snr_db, count, frames = 7.0, 512 * users, 60 // users
    images = IMAGES.reshape(frames, users, 28, 28, 1)
    mcs = choose_mcs(np.full((1, 512), 10 ** (-snr_db / 10) / users))
    chain = Separation("jpeg", mcs, count, users, (33,))
    (shown, lost), x = over_awgn(chain, images, snr_db)
    # 1 % fail by design; at most 4 of 60 with probability 0.9996
    assert lost.sum() <= 4
    for image, found in zip(images[~lost], shown[~lost], strict=True):
        data = compress("jpeg", image, chain.num_bytes)
        exact = decompress("jpeg", data, image.shape) / np.float32(255)
        np.testing.assert_array_equal(found, exact)
    # every image has unit energy per channel use; QAM symbols vary by less than 0.4
    energy = np.mean(np.abs(x) ** 2, axis=-1)
    np.testing.assert_allclose(energy.mean(), 1, atol=4 * 0.6 / np.sqrt(60 * 512))
    (shown, lost), _ = over_awgn(chain, images, snr_db - 3)
    assert lost.mean() > 0.9
    np.testing.assert_allclose(shown[lost], 33 / 255, atol=1e-6)


def test_without_room_nothing_is_sent_and_the_fallback_is_shown():
    chain = Separation("jpeg", Mcs(2, 0.2), 16, 1, (33,))
    assert chain.num_bytes == 0
    (shown, lost), x = over_awgn(chain, IMAGES[:3], 20.0)
    assert lost.all() and not x.any()
    np.testing.assert_allclose(shown, 33 / 255, atol=1e-6)


def test_a_code_block_that_is_too_long_is_answered_in_one_sentence():
    with pytest.raises(ScenarioError, match="1536 symbols .* 'jpeg', .* lower the"):
        Separation("jpeg", MCS_TABLE[-1], 1536, 1, (0, 0, 0))


@pytest.mark.filterwarnings("error")
def test_a_channel_without_noise_carries_the_highest_rate():
    assert choose_mcs(np.full((4, 100), 1e-20, "float32")) == MCS_TABLE[-1]


def test_noise_that_passes_the_check_by_chance_is_a_lost_image():
    chain = Separation("webp", choose_mcs(np.full((1, 512), 0.2)), 512, 1, (33,))
    noise = RNG.integers(0, 2, (3, chain.k - 16)).astype("float32")
    noise[:, :8] = 1  # not the byte of a mean colour
    chain._check = lambda b: (tf.constant(noise), tf.ones([3, 1], tf.bool))
    (shown, lost), _ = over_awgn(chain, IMAGES[:3], 7.0)
    assert lost.all()
    np.testing.assert_allclose(shown, 33 / 255, atol=1e-6)
