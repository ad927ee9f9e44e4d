import matplotlib.cbook
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sionna.phy import config
from sionna.phy.fec.ldpc import LDPC5GDecoder

from link_sim.experiments.link import Link
from link_sim.models.pretrained import load_model
from link_sim.receivers.decoding.convergence import (
    mutual_information,
    threshold,
    trajectory,
)
from link_sim.receivers.decoding.joint import JointDecoder, evidence
from link_sim.receivers.images.pixel_bayes import HistogramSource
from link_sim.recipes.bit_noise import decoder_llr
from link_sim.scenarios.loading import load_scenario
from link_sim.world.sources import evaluation_digits
from link_sim.world.transmitter import Transmitter

pytestmark = pytest.mark.usefixtures("eager")

BLOCKS = 200


@pytest.fixture(scope="module")
def transmitter():
    return Transmitter(load_scenario("image-awgn"), (4, 4, 1))


@pytest.fixture(scope="module")
def received(transmitter):
    """Information bits of the same image all over, and LLRs with which some fail."""
    rng = np.random.default_rng(0)
    frames = BLOCKS // transmitter.images_per_frame
    image = tf.constant(rng.integers(0, 256, (1, 1, 4, 4, 1)) / 255, tf.float32)
    image = tf.tile(image, [frames, transmitter.images_per_frame, 1, 1, 1])
    b, c, _ = transmitter(image)
    s = 2.3
    noise = rng.standard_normal(c.shape)
    return b, tf.constant(s * ((2 * c.numpy() - 1) * s / 2 + noise), tf.float32)


@pytest.fixture(scope="module")
def alone(transmitter, received):
    return plain(transmitter, received[1])


def plain(transmitter, llr):
    decoder = LDPC5GDecoder(transmitter.encoder, hard_out=False, num_iter=20)
    return transmitter.check(decoder(llr))


def test_a_priori_llrs_reach_every_information_bit(transmitter, received):
    b = tf.reshape(received[0], [-1, transmitter.k])
    joint = JointDecoder(transmitter, lambda llr: llr)
    apriori = tf.random.stateless_normal(b.shape, [1, 2], stddev=3.0)
    extrinsic = joint.extrinsic_of_code(tf.zeros([len(b), transmitter.n]), apriori, 1)
    assert np.allclose(extrinsic, 0, atol=1e-4)  # parity tells nothing

    rng = np.random.default_rng(1)
    noise = tf.constant(rng.normal(0, 0.3, [len(b), transmitter.n]), tf.float32)
    certain = 12 * (2 * b - 1)
    extrinsic = joint.extrinsic_of_code(noise, certain, 5)
    assert np.array_equal(extrinsic + certain > 0, b > 0)


def test_some_blocks_can_be_continued_alone(transmitter, received):
    _, llr = received
    joint = JointDecoder(transmitter, lambda llr: llr)
    apriori = tf.random.stateless_normal([len(llr), transmitter.k], [3, 4])
    every, some = tf.range(len(llr)), tf.range(3, len(llr), 4)
    _, messages = joint.blocks.begin(llr, apriori, every, 3)
    posterior, _ = joint.blocks.advance(llr, messages, apriori, some, 4)
    expected, _ = joint.blocks.begin(llr, apriori, every, 7)
    assert np.allclose(posterior, tf.gather(expected, some), atol=1e-3)


def test_a_source_that_knows_nothing_changes_nothing(transmitter, received, alone):
    b, llr = received
    joint = JointDecoder(transmitter, lambda llr: llr, num_rounds=4, num_iter=4)
    _, b_hat, crc_ok = transmitter.check(joint(llr))
    _, plain_b_hat, plain_ok = alone
    assert 0.1 < np.mean(plain_ok) < 0.9
    assert np.array_equal(crc_ok, plain_ok)
    right = np.array(plain_ok)
    assert np.array_equal(b_hat[right], plain_b_hat[right])
    assert np.array_equal(b_hat[right], b[right])


def test_a_source_that_knows_all_decodes_all(transmitter, received):
    b, llr = received
    sent = transmitter.image_llr(tf.reshape(2 * b - 1, [-1, transmitter.k]))
    sent = tf.reshape(sent, [-1, *transmitter.image_shape, 8])[:1]
    joint = JointDecoder(transmitter, lambda llr: llr + 50 * sent)
    assert np.array_equal(transmitter.check(joint(llr))[1], b)


@pytest.mark.slow
@pytest.mark.graphs
def test_a_source_that_errs_does_no_harm(transmitter, received, alone):
    b, llr = received
    sent = transmitter.image_llr(tf.reshape(2 * b - 1, [-1, transmitter.k]))
    sent = tf.reshape(sent, [-1, *transmitter.image_shape, 8])[:1]
    joint = JointDecoder(transmitter, lambda llr: llr - 6 * sent)
    _, b_hat, crc_ok = transmitter.check(joint(llr))
    _, plain_b_hat, plain_ok = alone
    assert np.all(np.array(crc_ok) >= np.array(plain_ok))
    assert np.array_equal(b_hat, plain_b_hat)


def test_evidence_is_the_log_bayes_factor():
    a, llr = np.array([[0.7, -2.0, 0.0]]), np.array([[1.1, 0.4, 5.0]])
    expected = 0.0
    for p, q in zip(*(1 / (1 + np.exp(-x[0])) for x in (a, llr)), strict=True):
        expected += np.log((p * q + (1 - p) * (1 - q)) / 0.5)
    assert np.isclose(evidence(a, llr), expected)


def test_information_of_gaussian_llrs_is_that_of_the_channel():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, 200_000)
    for s, capacity in ((0.0, 0.0), (2.0, 0.4859), (20.0, 1.0)):
        llr = s * ((2 * bits - 1) * s / 2 + rng.standard_normal(bits.size))
        assert abs(mutual_information(bits, llr) - capacity) < 4 / np.sqrt(bits.size)


def test_threshold_is_bracketed():
    found = threshold(lambda x: np.array([[0.0, 0], [x > 2.3, 0]]), 0, 8, 0.1)
    assert abs(found - 2.3) <= 0.05


@pytest.fixture(scope="module")
def digits():
    """A function of Es/N0 in dB: transmitter, information bits and LLRs of digits."""
    link = Link(load_scenario("image-turbo"), ["perfect-csi"])
    receiver = link.receivers[0]

    @tf.function
    def transmit(image, no):
        b, _, _, h, y = link.transmit(image, no)
        h_hat, err_var = receiver.estimate(y, no, h)
        return b, receiver.detect(y, h_hat, err_var, no)

    def at(point, picture=lambda image: image):
        config.seed = 1
        image = tf.cast(picture(link.batch_images(0)), tf.float32)
        no = link.noise_variance(link.scenario.at(point))
        return link.transmitter, *transmit(image, no)

    return at


@pytest.mark.slow
def test_histograms_of_digits_move_the_waterfall_by_eight_db(digits):
    transmitter, b, llr = digits(3.0)
    joint = JointDecoder(transmitter, HistogramSource())
    assert np.array_equal(transmitter.check(joint(llr))[1], b)
    assert not np.any(plain(transmitter, digits(10.5)[2])[2])


@pytest.mark.slow
def test_convergence_is_predicted(digits):
    joint = JointDecoder(digits(0.0)[0], HistogramSource())
    # simulated: 10 % of the blocks fail at 2.1 dB, 2 % at 2.5 dB
    for point, converges in ((0.0, False), (3.5, True)):
        _, b, llr = digits(point)
        path = trajectory(joint, b, llr, num_rounds=6)
        assert (path[-1, 0] > 0.99) == converges
        assert np.all(path >= 0) and np.all(path <= 1)


def inverted(image):
    return 1 - image


def random_pixels(image):
    return np.random.default_rng(3).integers(0, 256, image.shape) / 255


def natural(image):
    """Crops of a photograph that matplotlib carries."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = np.array(Image.open(file).convert("L")) / 255
    rows, columns = np.random.default_rng(3).integers(0, 480, (2, *image.shape[:2]))
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (28, 28))
    return windows[rows, columns][..., None]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["histogram", "network"])
@pytest.mark.parametrize("picture", [inverted, random_pixels, natural])
def test_images_the_source_has_never_seen_lose_nothing(digits, source, picture):
    transmitter, b, llr = digits(11.25, picture)
    source = HistogramSource() if source == "histogram" else load_model("bit-planes")
    ok = np.array(transmitter.check(JointDecoder(transmitter, source)(llr))[2])
    plain_ok = np.array(plain(transmitter, llr)[2])
    assert 0 < plain_ok.sum() < plain_ok.size
    assert np.all(ok >= plain_ok)  # so no loss in dB either


@pytest.mark.slow
def test_bit_planes_are_calibrated():
    """Of the bits believed to be 1 with probability p, a share p is 1."""
    rng = np.random.default_rng(5)
    bits = np.unpackbits(evaluation_digits()[:500, ..., None], axis=-1)
    source = tf.function(load_model("bit-planes"))
    llr = decoder_llr(rng, bits, skew=2)
    logits = np.concatenate([source(part).numpy() for part in np.split(llr, 5)])
    bits, p = bits.ravel(), 1 / (1 + np.exp(-logits.ravel().astype("float64")))
    bins = np.digitize(p, np.linspace(0, 1, 11)[1:-1])
    count = np.bincount(bins, minlength=10)
    gap = np.abs(np.bincount(bins, p, 10) - np.bincount(bins, bits, 10)) / count
    assert np.all(gap < 0.05), gap
    assert np.sum(gap * count) / bits.size < 0.005  # expected calibration error
