"""Detectors of MIMO symbols against brute force, and against Sionna's."""

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from sionna.phy.mapping import Constellation
from sionna.phy.mimo import EPDetector as SionnaEPDetector
from sionna.phy.mimo import StreamManagement
from sionna.phy.ofdm import OFDMDetector, OFDMDetectorWithPrior, ResourceGrid

from link_sim.models.graph_amp import GraphAMP
from link_sim.receivers.detection.amp import AMPDetector
from link_sim.receivers.detection.amp_gnn import GraphAMPDetector
from link_sim.receivers.detection.expectation_propagation import EPDetector
from link_sim.receivers.detection.grid import GridDetector
from link_sim.receivers.detection.langevin import LangevinDetector
from link_sim.receivers.detection.symbols import bit_llr, level_logits, pam
from link_sim.receivers.detection.verification import VerifiedDetector
from link_sim.world.flat_fading import flat_link

NO = 0.05


def link(size=40, antennas=8, streams=2, bits=4, snr_db=12, seed=0):
    rng = np.random.default_rng(seed)
    y, h, no, sent = flat_link(rng, size, antennas, streams, bits, snr_db)
    return y, h, covariance(no, antennas), sent


def covariance(no, antennas):
    return (no[..., None] * np.eye(antennas)).astype("complex64")


def exact(y, h, s, bits, prior=None):
    """A posteriori LLRs [vectors, streams, bits] by a sum over all symbol vectors."""
    points = Constellation("qam", bits).points.numpy()
    streams = h.shape[-1]
    index = np.array(list(itertools.product(range(len(points)), repeat=streams)))
    labels = index[..., None] >> np.arange(bits)[::-1] & 1
    error = y[:, None] - np.einsum("bas,cs->bca", h, points[index])
    inverse = np.linalg.inv(s)
    fit = -np.einsum("bca,bad,bcd->bc", error.conj(), inverse, error).real
    if prior is not None:
        fit = fit + np.einsum("csm,bsm->bc", labels, prior)
    with np.errstate(divide="ignore"):
        masks = np.log(labels[None]), np.log(1 - labels[None])
    one, zero = (
        np.logaddexp.reduce(fit[..., None, None] + mask, axis=1) for mask in masks
    )
    return one - zero


def detectors(bits=4):
    return [
        AMPDetector(bits),
        EPDetector(bits),
        EPDetector(bits, num_iter=20, step=0.5),
        GraphAMPDetector(bits, GraphAMP(pam(bits)[0], 6)),
    ]


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_levels_and_labels_are_sionnas(bits):
    levels, labels = pam(bits)
    points = Constellation("qam", bits).points.numpy()
    b = np.random.default_rng(0).integers(0, 2, (50, 1, bits))
    told = level_logits(tf.constant(20.0 * (2 * b - 1), tf.float32), labels)
    real, imag = levels[np.argmax(told, -1)].T
    number = b[:, 0] @ (1 << np.arange(bits)[::-1])
    np.testing.assert_allclose(real + 1j * imag, points[number], rtol=1e-6)
    assert np.allclose(bit_llr(told, labels), 20.0 * (2 * b - 1), rtol=1e-5)
    assert np.all(np.diff(levels) > 0)


def test_one_stream_is_demapped_exactly_by_ep():
    y, h, s, _ = link(streams=1, bits=6, snr_db=5)
    llr = EPDetector(6)(y, h, s)
    np.testing.assert_allclose(llr, exact(y, h, s, 6), rtol=2e-3, atol=2e-3)


def test_a_priori_llrs_count_like_observations():
    y, h, s, _ = link(streams=1, snr_db=5)
    prior = np.random.default_rng(1).normal(0, 1.5, (40, 1, 4)).astype("float32")
    llr = EPDetector(4)(y, h, s, prior)
    # a cavity is the small difference of precisions that a sure prior makes large
    np.testing.assert_allclose(llr, exact(y, h, s, 4, prior), rtol=3e-2, atol=2e-2)


def test_langevin_samples_the_posterior():
    """Up to bits so sure that an error in them means another in the other stream."""
    y, h, s, sent = link(size=20, snr_db=14)
    llr = LangevinDetector(4, num_steps=30, num_walks=8)(y, h, s).numpy()
    expected = exact(y, h, s, 4)
    unsure = np.abs(expected) < 30
    np.testing.assert_allclose(llr[unsure], expected[unsure], rtol=0.1, atol=0.5)


def test_many_antennas_make_every_detector_nearly_optimal():
    y, h, s, _ = link(size=600, antennas=16, streams=2, snr_db=12)
    expected = exact(y, h, s, 4)
    sure = np.abs(expected) > 8
    for detector in detectors():
        llr = detector(y, h, s).numpy()
        assert np.all((llr > 0)[sure] == (expected > 0)[sure]), detector.name


def test_ep_decides_what_sionnas_does_in_double_precision():
    y, h, s, sent = link(size=500, antennas=16, streams=12, snr_db=17)
    _, labels = pam(4)
    b = np.stack(np.split(labels[sent], 2, 1), -1).reshape(500, 12, 4)
    theirs = np.mean((SionnaEPDetector("bit", 4)(y, h, s).numpy() > 0) != b)
    ours = np.mean((EPDetector(4)(y, h, s).numpy() > 0) != b)
    assert ours <= theirs + 3 * np.sqrt(theirs / b.size)


def test_coloured_noise_is_whitened():
    y, h, _, _ = link()
    rng = np.random.default_rng(2)
    root = rng.standard_normal((8, 8, 2)) @ [1, 1j] / 4 + np.eye(8)
    root = root.astype("complex64")
    s = (root @ root.conj().T * NO)[None]
    for detector in detectors()[1:3]:  # AMP is another in each rotation
        llr = detector((root @ y[..., None])[..., 0], root @ h, s + 0 * h[..., :1, :1])
        white = detector(y, h, covariance(np.full((40, 1), NO), 8))
        np.testing.assert_allclose(np.tanh(llr / 2), np.tanh(white / 2), atol=1e-3)
        # rounding decides which way the messages of a vector in doubt swing
        same = np.isclose(llr, white, rtol=0.02, atol=0.05).all(axis=(1, 2))
        assert same.sum() >= len(same) - 2


def test_a_second_detector_repairs_the_first():
    y, h, s, sent = link(size=200, antennas=16, streams=12, snr_db=22)

    class Wrong(EPDetector):
        def logits(self, y, h, noise, prior):
            return -super().logits(y, h, noise, prior)

    detector = EPDetector(4)
    expected = detector(y, h, s)
    repaired = VerifiedDetector(Wrong(4), detector)(y, h, s)
    assert np.array_equal(repaired > 0, expected > 0)
    kept = VerifiedDetector(detector, Wrong(4))(y, h, s)
    assert np.allclose(kept, expected, rtol=1e-3)


def test_a_vector_that_is_no_number_spoils_no_other():
    y, h, s, _ = link(size=4)
    y[1, 0] = h[2, 0, 0] = np.nan
    for detector in [*detectors(), VerifiedDetector(*detectors()[:2])]:
        llr = detector(y, h, s).numpy()
        assert np.isnan(llr[1:3]).all() and np.isfinite(llr[[0, 3]]).all(), (
            detector.name
        )


def test_extreme_noise_gives_finite_llrs():
    y, h, s, _ = link(size=5, antennas=4, streams=4)
    for scale in (1e-12, 1e12):
        for detector in detectors():
            llr = detector(y, h, (s * scale).astype("complex64"))
            assert np.all(np.isfinite(llr)), (detector.name, scale)


def test_1024_qam_of_one_stream_is_exact():
    y, h, s, _ = link(size=20, antennas=4, streams=1, bits=10, snr_db=35)
    expected = exact(y, h, s, 10)
    for detector in (EPDetector(10), LangevinDetector(10)):
        np.testing.assert_allclose(detector(y, h, s), expected, rtol=1e-2, atol=0.05)
    loops = AMPDetector(10)(y, h, s)
    np.testing.assert_allclose(loops, expected, rtol=0.1, atol=0.5)  # not yet settled


@pytest.mark.parametrize("bits", [1, 3, 12])
def test_other_symbols_are_refused(bits):
    with pytest.raises(ValueError, match="2, 4, 6, 8 or 10"):
        EPDetector(bits)


def test_streams_beyond_antennas_are_refused_where_they_cannot_be_told_apart():
    y, h, s, _ = link(antennas=4, streams=6)
    assert np.all(np.isfinite(EPDetector(4)(y, h, s)))
    for detector in (AMPDetector(4), detectors()[-1], LangevinDetector(4)):
        with pytest.raises(ValueError, match="6 streams and 4 antennas: use ep"):
            detector(y, h, s)


def test_symbols_without_weights_are_refused():
    with pytest.raises(ValueError, match="no weights for 8 bits.*or the detector ep"):
        GraphAMPDetector.from_preset("amp-gnn", 8)
    with pytest.raises(ValueError, match="trained for 4 symbols, not for 16"):
        GraphAMPDetector(4, GraphAMP(pam(2)[0]))


def grid(streams):
    return ResourceGrid(
        num_ofdm_symbols=4,
        fft_size=20,
        subcarrier_spacing=30e3,
        num_streams_per_tx=streams,
        num_guard_carriers=(2, 1),
        dc_null=True,
        pilot_pattern="kronecker",
        pilot_ofdm_symbol_indices=[1],
    )


def on_grid(rg, antennas=6, size=3, bits=4):
    rng, streams = np.random.default_rng(3), rg.num_streams_per_tx
    number = size * rg.num_ofdm_symbols * rg.num_effective_subcarriers
    y, h, _, _ = flat_link(rng, number, antennas, streams, bits, 14)
    shape = size, rg.num_ofdm_symbols, rg.num_effective_subcarriers
    h = np.moveaxis(h.reshape(*shape, antennas, 1, streams), (3, 4, 5), (1, 2, 3))
    full = np.zeros((size, 1, antennas, shape[1], rg.fft_size), "complex64")
    carriers = np.asarray(rg.effective_subcarrier_ind)
    full[:, 0][..., carriers] = np.moveaxis(y.reshape(*shape, antennas), 3, 1)
    return full, h[:, None], rng.uniform(0, 0.02, h[:, None].shape).astype("float32")


def test_on_a_grid_it_is_sionnas_frame_around_the_same_detector():
    rg, bits = grid(2), 4
    streams = StreamManagement(np.ones([1, 1], int), 2)
    arguments = *on_grid(rg), tf.constant([0.02, 0.05, 0.1])
    data = int(rg.num_data_symbols)
    rng = np.random.default_rng(4)
    prior = rng.normal(0, 2, (3, 1, 2, data * bits)).astype("float32")
    for detector in (AMPDetector(bits), EPDetector(bits)):
        ours = GridDetector(rg, detector)
        theirs = OFDMDetector(detector, "bit", rg, streams)
        np.testing.assert_allclose(
            ours(*arguments), theirs(*arguments), rtol=0.03, atol=0.05
        )
        theirs = OFDMDetectorWithPrior(detector, "bit", rg, streams, "qam", bits)
        y, h, err_var, no = arguments
        expected = theirs(y, h, prior, err_var, no)
        llr = ours(*arguments, prior)
        # EP in single precision is off by some per cent where priors are very sure
        assert np.isclose(llr, expected, rtol=0.03, atol=0.05).mean() > 0.99


def products(detector, antennas, streams):
    """Multiplications in the products of matrices of its graph, for one vector."""
    shapes = [1, antennas], [1, antennas, streams]
    specs = (tf.TensorSpec(shape, tf.complex64) for shape in shapes)
    graph = tf.function(detector.symbol_logits).get_concrete_function(*specs).graph
    found = (op for op in graph.get_operations() if "MatMul" in op.type)
    total = 0
    for op in found:
        transposed = op.node_def.attr["adj_x"].b or op.node_def.attr["transpose_a"].b
        inner = op.inputs[0].shape[-2 if transposed else -1]
        total += np.prod(op.outputs[0].shape) * inner
    return total


@pytest.mark.slow
def test_multiplications_are_those_of_the_products_and_what_is_known_besides():
    antennas, streams, bits = 6, 4, 4
    rows, columns = 12, 8
    amp, ep, _, learned = detectors(bits)
    factors = 10 * (2 * columns**3 // 3 + 3 * columns**2) + rows * columns
    squares = 2 * rows * columns
    for detector, more in (
        (amp, squares),
        (ep, factors),
        (learned, squares + columns**2),
    ):
        counted = detector.multiplications(antennas, streams)
        assert counted == products(detector, antennas, streams) + more
    checked = VerifiedDetector(amp, ep).multiplications(antennas, streams)
    assert checked == amp.multiplications(antennas, streams) + rows * columns


def test_detectors_can_be_saved():
    rg = grid(2)
    arguments = *on_grid(rg), 0.05
    pair = VerifiedDetector(*detectors()[-2:])
    for detector in [*detectors(), LangevinDetector(4, 3, 2, 1, 5), pair]:
        layer = GridDetector(rg, detector)
        config = keras.saving.serialize_keras_object(layer)
        restored = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
        restored.set_weights(layer.get_weights())
        assert np.array_equal(layer(*arguments), restored(*arguments)), detector.name
        assert len(layer.weights) == len(restored.weights)


def test_a_model_sees_the_weights_and_gradients_reach_them():
    detector = GraphAMPDetector(2, GraphAMP(pam(2)[0], 2))
    assert len(GridDetector(grid(2), detector).trainable_weights) == 8
    y, h, s, _ = link(bits=2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(detector(y, h, s) ** 2)
    gradients = tape.gradient(loss, detector.trainable_weights)
    assert all(g is not None and np.all(np.isfinite(g)) for g in gradients)


def test_walks_of_a_vector_do_not_depend_on_others():
    y, h, s, _ = link(size=5)
    detector = LangevinDetector(4, num_sigmas=5, num_steps=4)
    llr = detector(y, h, s).numpy()
    np.testing.assert_allclose(detector(y[3:4], h[3:4], s)[0], llr[3], atol=1e-3)
