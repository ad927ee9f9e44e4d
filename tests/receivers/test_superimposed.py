import numpy as np
import pytest
import tensorflow as tf

from link_sim.receivers.decoding.soft_symbols import SoftSymbols
from link_sim.receivers.detection.expectation_propagation import EPDetector
from link_sim.scenarios.errors import ScenarioError
from link_sim.scenarios.loading import load_scenario
from link_sim.world.transmitter import Transmitter

pytestmark = pytest.mark.usefixtures("eager")

SMALL = "grid.fft_size=24", "grid.symbols=4", "grid.pilot_symbols=[1]"


@pytest.fixture(scope="module")
def sender():
    settings = [*SMALL, "grid.pilot_share=0.2"]
    return Transmitter(load_scenario("csi-link", settings), (4, 4, 1))


def test_they_are_added_to_data_alone_and_keep_its_energy(sender):
    grid, pilots = sender.resource_grid, sender.superimposed
    places = int(grid.num_data_symbols)
    rng = np.random.default_rng(1)
    x = np.exp(2j * np.pi * rng.uniform(size=(500, 1, 2, places))).astype("complex64")
    plain = sender.place(x)
    found = (pilots.add(plain) - plain).numpy()
    types = grid.build_type_grid().numpy()[0]
    assert np.all(found[..., types != 0] == 0)
    energy = np.mean(np.abs(pilots.add(plain).numpy()[..., types == 0]) ** 2)
    # the cross term of a symbol has variance 0.32, of means over 500 frames of elements
    assert abs(energy - 1) < 4 * np.sqrt(0.32 / (500 * 2 * places))
    sent = np.sqrt(0.8) * plain.numpy() + pilots._on_grid(pilots._known).numpy()
    np.testing.assert_allclose(
        pilots.add(plain).numpy()[..., types == 0], sent[..., types == 0], atol=1e-6
    )


def test_a_receiver_that_knows_the_channel_takes_them_off_again(sender):
    grid, pilots = sender.resource_grid, sender.superimposed
    carriers = np.asarray(grid.effective_subcarrier_ind)
    rng, places = np.random.default_rng(2), int(grid.num_data_symbols)
    x = rng.standard_normal((3, 1, 2, places)).astype("complex64")
    h = rng.standard_normal((3, 1, 4, 1, 2, 4, len(carriers), 2)) @ np.array([1, 1j])
    h = h.astype("complex64")
    plain = sender.place(x)

    def received(x_rg):
        seen = tf.gather(x_rg, carriers, axis=-1)  # [batch, 1, stream, symbol, carrier]
        return pilots._on_grid(tf.einsum("bxatskc,btskc->bxakc", h, seen))

    y, seen = pilots.removed(received(pilots.add(plain)), h)
    types = grid.build_type_grid().numpy()[0, 0]
    np.testing.assert_allclose(seen, np.sqrt(0.8) * h, rtol=1e-6)
    expected = np.sqrt(0.8) * received(plain).numpy()
    np.testing.assert_allclose(
        y.numpy()[..., types == 0], expected[..., types == 0], atol=1e-5
    )
    flat = received(pilots.add(plain)).numpy()[:, 0][..., carriers].reshape(3, 4, -1)
    alike = h[:, 0, :, 0].reshape(3, 4, 2, -1)
    found = pilots.removed_elements(tf.constant(flat), tf.constant(alike))[0]
    np.testing.assert_allclose(
        found, y.numpy()[:, 0][..., carriers].reshape(3, 4, -1), atol=1e-6
    )


def test_of_symbols_that_nothing_tells_they_are_the_mean(sender):
    grid = sender.resource_grid
    bits = sender.num_bits_per_symbol
    silent = tf.zeros([3, 1, 2, int(grid.num_data_symbols) * bits])
    found = SoftSymbols(sender, EPDetector(bits))(silent)
    types = grid.build_type_grid().numpy()[0]
    types = types[..., np.asarray(grid.effective_subcarrier_ind)].reshape(2, -1)
    mean, variance = (np.asarray(z) for z in found)
    np.testing.assert_allclose(variance[0], np.where(types == 0, 0.8, 0), atol=1e-6)
    np.testing.assert_allclose(np.abs(mean[:, types == 0]) ** 2, 0.2, rtol=1e-5)
    pilots = np.asarray(grid.pilot_pattern.pilots)[0].ravel()
    np.testing.assert_allclose(mean[0][types == 1], pilots, atol=1e-6)


def test_no_share_means_none():
    sender = Transmitter(load_scenario("csi-link", SMALL), (4, 4, 1))
    assert sender.superimposed is None


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("hardware", [], "needs perfect hardware"),
        ("semantic", [], "grid.pilot_share"),
        ("csi-link", ["grid.pilot_symbols=[]"], "tells the phase"),
    ],
)
def test_where_they_do_not_serve_one_sentence_says_so(name, settings, words):
    with pytest.raises(ScenarioError, match=words):
        load_scenario(name, [*settings, "grid.pilot_share=0.1"])
