import numpy as np
import pytest
import tensorflow as tf

from link_sim.receivers.decoding.ldpc import BPDecoder
from link_sim.scenarios.loading import load_scenario
from link_sim.scenarios.sections import Code
from link_sim.world.resource_grid import pilot_pattern
from link_sim.world.transmitter import CRC_BITS, Transmitter, segment

pytestmark = pytest.mark.usefixtures("eager")


def random_images(transmitter, batch):
    shape = batch, transmitter.images_per_frame, *transmitter.image_shape
    levels = np.random.default_rng(0).integers(0, 256, shape)
    return tf.constant(levels / 255, tf.float32)


@pytest.mark.parametrize("rate", [0.2, 0.25, 1 / 3, 0.5, 0.75, 0.9, 948 / 1024])
@pytest.mark.parametrize("num_bits", [8, 6272, 8424, 8425, 24576, 1_000_000])
@pytest.mark.parametrize("bits_per_symbol", [2, 6, 8, 10])
def test_segments_are_legal_5g_codes(rate, num_bits, bits_per_symbol):
    code = Code(rate=rate, bits_per_symbol=bits_per_symbol)
    blocks, k, n = segment(num_bits, code)
    assert blocks * (k - CRC_BITS) >= num_bits > (blocks - 1) * (k - CRC_BITS)
    assert 12 <= k <= (8448 if rate >= 1 / 3 else 3840)
    assert n % bits_per_symbol == 0
    assert abs(n - k / rate) <= bits_per_symbol
    assert 0.2 <= k / n <= 948 / 1024


@pytest.mark.parametrize(
    "overrides, shape, images, grids",
    [
        ([], (28, 28, 1), 1, 1),
        (["code.rate=0.2"], (28, 28, 1), 1, 3),
        (["grid.fft_size=512"], (28, 28, 1), 5, 1),
        (["grid.per_frame=8", "grid.pilot_spacing=4"], (28, 28, 1), 9, 8),
        (["code.reliable_bits=parity"], (28, 28, 1), 1, 1),
        (["code.rate=0.9", "code.bits_per_symbol=8"], (5, 7, 3), 17, 1),
        (["code.rate=0.07"], (8, 8, 1), 1, 1),
        (["code.rate=0.925", "code.bits_per_symbol=10"], (28, 28, 1), 3, 1),
    ],
)
def test_every_image_survives_the_way_there_and_back(overrides, shape, images, grids):
    transmitter = Transmitter(load_scenario("image", overrides), shape)
    assert transmitter.images_per_frame == images
    assert transmitter.grids_per_frame == grids
    image = random_images(transmitter, 3)
    b, c, x_rg = transmitter(image)
    assert x_rg.shape[:3] == (3 * grids, 1, 2)

    grid = transmitter.resource_grid
    data = tf.where(grid.build_type_grid()[0, 0] == 0)
    points = tf.gather_nd(tf.transpose(x_rg[:, 0], [2, 3, 0, 1]), data)
    x = tf.transpose(points, [1, 2, 0])[:, None].numpy()  # [batch, 1, stream, symbol]
    constellation = transmitter._mapper.constellation
    labels = np.argmin(np.abs(x[..., None] - constellation.points.numpy()), axis=-1)
    shifts = np.arange(constellation.num_bits_per_symbol - 1, -1, -1)
    bits = (labels[..., None] >> shifts) & 1
    llr = tf.constant(20.0 * bits - 10, tf.float32)
    llr = tf.reshape(llr, [*x.shape[:3], -1])

    llr = transmitter.demodulate(llr)
    assert np.array_equal(llr > 0, c > 0)
    decoded = BPDecoder(transmitter.encoder, num_iter=5)(llr)
    llr_image, b_hat, crc_ok = transmitter.check(decoded)
    assert np.array_equal(b_hat, b) and np.all(crc_ok)
    levels = tf.reduce_sum(tf.where(llr_image > 0, 2.0 ** np.arange(7, -1, -1), 0), -1)
    assert np.array_equal(levels, np.round(255 * image))
    assert np.all(np.isinf(llr_image))


def test_a_block_with_an_error_stays_uncertain_and_fails_its_crc():
    transmitter = Transmitter(load_scenario("image", ["code.rate=0.2"]), (28, 28, 1))
    b, _, _ = transmitter(random_images(transmitter, 2))
    llr = np.array(20 * b - 10)
    llr[1, 0, 1, 100] *= -0.1
    llr_image, _, crc_ok = transmitter.check(tf.reshape(llr, [-1, transmitter.k]))
    assert np.array(crc_ok).tolist() == [[[True, True]], [[True, False]]]
    assert np.all(np.isinf(llr_image[0]))
    finite = np.isfinite(llr_image[1])
    assert finite.sum() == 28 * 28 * 8 // 2
    assert np.isclose(np.abs(llr_image[1][finite]), 1.0).sum() == 1


def test_transmit_energy_is_one_for_images_full_of_zeros():
    scenario = load_scenario("image-awgn")
    transmitter = Transmitter(scenario, (28, 28, 1))
    x = transmitter(tf.zeros([16, 1, 28, 28, 1]))[2].numpy()
    sent = np.abs(x[x != 0]) ** 2
    # 64-QAM symbols have energy variance 0.381
    assert abs(sent.mean() - 1) < 4 * np.sqrt(0.381 / sent.size)


def test_each_image_of_a_batch_is_interleaved_in_its_own_way():
    transmitter = Transmitter(load_scenario("image"), (28, 28, 1))
    bits = tf.one_hot(tf.zeros([4, 1], tf.int32), transmitter.image_bits)
    positions = np.argmax(transmitter.to_blocks(bits)[:, 0, 0], axis=-1)
    assert len(set(positions)) == 4
    again = np.argmax(transmitter.to_blocks(bits)[:, 0, 0], axis=-1)
    assert np.array_equal(positions, again)


def test_a_part_of_a_batch_is_undone_as_the_frames_that_it_holds():
    transmitter = Transmitter(load_scenario("image"), (4, 4, 1))
    grids, rng = transmitter.grids_per_frame, np.random.default_rng(0)
    shape = 3 * grids, 1, 2, transmitter.frame_bits // grids // 2
    llr = rng.standard_normal(shape, "float32")
    whole = transmitter.demodulate(llr)
    rest = transmitter.demodulate(llr[grids:], frame=1)
    assert np.array_equal(rest, whole[len(whole) // 3 :])

    per_frame = len(whole) // 3
    llr = rng.standard_normal((len(whole), transmitter.k), "float32")
    image = transmitter.image_llr(llr)
    later = transmitter.image_llr(llr[per_frame:], tf.constant(1))
    assert np.array_equal(later, image[1:])
    blocks = transmitter.block_llr(image)
    assert np.array_equal(transmitter.block_llr(image[1:], 1), blocks[per_frame:])


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_image_and_block_llrs_are_two_orders_of_the_same_values(rate):
    scenario = load_scenario("image", [f"code.rate={rate}", "grid.fft_size=512"])
    transmitter = Transmitter(scenario, (28, 28, 1))
    image = random_images(transmitter, 2)
    bits = tf.reshape(transmitter.to_bits(image), [*image.shape, 8])
    blocks = transmitter.block_llr(bits)
    b = np.array(tf.reshape(transmitter(image)[0], [-1, transmitter.k]))
    b[:, -CRC_BITS:] = 0  # what the image does not know
    assert np.array_equal(blocks, b)
    assert np.array_equal(transmitter.image_llr(blocks), bits)


@pytest.mark.parametrize("spacing", [1, 3, 44])
def test_pilots_are_orthogonal_and_leave_the_rest_to_data(spacing):
    grid = load_scenario("image", [f"grid.pilot_spacing={spacing}"]).grid
    pattern = pilot_pattern(grid, 2)
    mask = np.asarray(pattern.mask)[0].astype(bool)
    sent = np.zeros(mask.shape, complex)
    sent[mask] = np.asarray(pattern.pilots).reshape(-1)
    own = -(-44 // spacing)
    assert np.array_equal(mask[0], mask[1]) and mask[0].sum() == 2 * 2 * own
    assert set(np.flatnonzero(mask[0].any(axis=1))) == {2, 11}
    assert not np.any(sent[0] * sent[1].conj())
    np.testing.assert_allclose(np.abs(sent[sent != 0]) ** 2, 2, rtol=1e-6)
    assert np.all(np.count_nonzero(sent, axis=(1, 2)) == 2 * own)


def test_repeated_bits_add_up_their_llrs():
    low = Transmitter(load_scenario("image", ["code.rate=0.07"]), (8, 8, 1))
    assert low.n <= 5 * low.k < low._sent == 6 * int(low.k / 0.07 / 6)
    c = tf.constant(np.random.default_rng(0).integers(0, 2, (2, low.n)), tf.float32)
    llr = low._combine(2 * low._repeat(c) - 1)
    turns = np.bincount(np.arange(low._sent) % low.n)
    np.testing.assert_array_equal(llr, (2 * c - 1) * turns)
