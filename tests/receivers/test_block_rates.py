import numpy as np
import pytest
from keras import ops

from link_sim.models.scalable import ScalableDecoder, ScalableEncoder
from link_sim.receivers.block_rates import GAINS_DB, RATES, BlockRates, Plan
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder

pytestmark = pytest.mark.usefixtures("eager")
RNG = np.random.default_rng(0)
SMALL = {"widths": (4, 4), "depths": (1, 1)}
SHAPE = 40, 24, 3
PLACES = 60
SIZES = np.array([[16, 8], [16, 8], [8, 4]])


@pytest.fixture(scope="module")
def rates():
    networks = ScalableEncoder(3, 16, **SMALL), ScalableDecoder(3, 16, **SMALL)
    for network in networks:
        network.set_weights(
            [0.1 * RNG.standard_normal(w.shape) for w in network.weights]
        )
    encoder = ScalableSymbolEncoder(networks[0], SHAPE)
    return BlockRates(encoder, FlowDecoder(networks[1], SHAPE))


def test_plans_come_back_from_bytes(rates):
    for _ in range(5):
        blocks = RNG.integers(0, 8, (3, 2))
        plan = Plan(int(RNG.integers(8)), blocks)
        data = rates.pack(plan)
        assert len(data) == rates.num_bytes == 3  # 7 numbers of 3 bits
        found = rates.unpack(data)
        assert found.gain == plan.gain
        np.testing.assert_array_equal(found.blocks, blocks)


def test_blocks_at_the_border_have_fewer_places(rates):
    np.testing.assert_array_equal(rates._sizes(), SIZES)
    blocks = RNG.integers(1, 8, (3, 2))  # whole numbers of a place
    assert rates.symbols(blocks) == np.sum(np.array(RATES)[blocks] * SIZES)


def test_symbols_go_where_they_lower_the_error_most(rates):
    """At high rate theory: an error of scale * 2^(-rate) wants a rate of its log."""
    scale = 4.0 ** np.array([[2, 3], [4, 0], [1, 2]]) * SIZES
    errors = scale * 2.0 ** -np.array(RATES).reshape(-1, 1, 1)
    for count in (100, 200, 400, 700):
        blocks = rates._allocate(errors, count)
        spent = rates.symbols(blocks)
        assert spent <= count
        chosen = np.take_along_axis(errors, blocks[None], 0).sum()
        for other in RNG.integers(0, 8, (3000, 3, 2)):  # none of as many is better
            if rates.symbols(other) <= spent:
                assert np.take_along_axis(errors, other[None], 0).sum() >= chosen - 1e-9
    assert np.all(rates._allocate(errors, 16 * PLACES) == 7)
    with pytest.raises(ValueError, match="29 symbols are too few for 6 blocks.* 30 at"):
        rates._allocate(errors, 29)


class Amplifier:
    """A decoder whose image is best where symbols are `weaker` dB weaker."""

    def __init__(self, weaker):
        self.weaker = 10 ** (weaker / 20)

    def __call__(self, x_hat, no_eff, noise=None, shares=None):
        energy = np.mean(np.abs(x_hat) ** 2) - np.mean(no_eff)
        error = abs(np.sqrt(energy) * self.weaker - 1)
        return ops.full((1, 1, *SHAPE), np.float32(0.5 + error))


@pytest.mark.parametrize("index", [0, 3, 7])
@pytest.mark.parametrize("first", [0, 4])
def test_the_gain_of_least_error_is_found_from_any_first(rates, index, first):
    climber = BlockRates(rates.encoder, Amplifier(GAINS_DB[index]))
    image, blocks = np.full(SHAPE, 0.5, "float32"), np.full((3, 2), 4)
    gain, errors = climber._climb(image, 1e-6, blocks, first)
    assert gain == index
    np.testing.assert_allclose(errors, 0, atol=1e-2)


def test_symbols_have_energy_one_and_the_decoder_hears_the_gain_as_snr(rates):
    image = RNG.random(SHAPE).astype("float32")
    plan, no = Plan(4, RNG.integers(0, 8, (3, 2))), 0.1
    x = rates.encode(image, plan, no)
    assert np.mean(np.abs(x) ** 2) == pytest.approx(1, rel=1e-5)
    heard = {}

    def decoder(x_hat, no_eff, noise, shares):
        heard.update(x_hat=x_hat, no_eff=no_eff)
        return np.zeros((1, 1, *SHAPE))

    rates.decode(decoder, x, np.full(len(x), no), plan)
    gain = 10 ** (GAINS_DB[4] / 10)
    energy = np.mean(np.abs(heard["x_hat"]) ** 2)
    assert energy == pytest.approx(1 / gain, rel=1e-5)
    np.testing.assert_allclose(heard["no_eff"], no / gain, rtol=1e-5)


@pytest.mark.slow
def test_a_plan_uses_the_symbols_that_there_are(rates):
    image = RNG.random(SHAPE).astype("float32")
    for count in (100, 300):
        plan = rates.choose(image, count, 0.1)
        assert count - 16 * 16 < rates.symbols(plan.blocks) <= count
