import numpy as np
import pytest

from link_sim.experiments.picture_coders import EvenCoder, NetworkCoder
from link_sim.models.scalable import ScalableDecoder, ScalableEncoder
from link_sim.receivers.block_rates import BlockRates
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder
from link_sim.scenarios.base import ScenarioError
from link_sim.world.separation import Mcs
from link_sim.world.separation_blocks import BlockLink, shortest_count

RNG = np.random.default_rng(0)
SHAPE, COLOURS = (40, 24, 1), (40, 24, 3)
SMALL = {"widths": (4, 4), "depths": (1, 1)}
MCS = Mcs(2, 0.3)
AHEAD = BlockLink(MCS, shortest_count(MCS, 3))


@pytest.fixture(scope="module")
def blocks():
    networks = ScalableEncoder(3, 16, **SMALL), ScalableDecoder(3, 16, **SMALL)
    return ScalableSymbolEncoder(networks[0], COLOURS), FlowDecoder(
        networks[1], COLOURS
    )


def test_too_many_symbols_are_refused(blocks):
    with pytest.raises(ScenarioError, match="encoder has 960: use .* up to 1.0$"):
        EvenCoder(*blocks, SHAPE, 961, 0.1)


@pytest.mark.slow
def test_what_goes_ahead_tells_the_receiver_all_it_needs(blocks):
    coder = NetworkCoder(BlockRates(*blocks), blocks[1], SHAPE, 700, 0.01, AHEAD)
    image = RNG.integers(0, 256, SHAPE, np.uint8)
    x = coder.send(image)
    used = x[: np.flatnonzero(x)[-1] + 1]
    assert x.shape == (700,) and np.mean(np.abs(used) ** 2) == pytest.approx(1)
    no_eff = np.full(700, 1e-9)
    shown = coder.receive(x, no_eff, seed=1)
    assert shown.shape == SHAPE and shown.dtype == np.uint8
    # the same without a channel, by who knows the plan
    grey = np.repeat(image, 3, axis=-1).astype("float32") / np.float32(255)
    plan = coder.rates.choose(grey, 700 - coder.ahead.count, 0.01)
    sent = coder.rates.encode(grey, plan, 0.01)
    found = coder.rates.decode(blocks[1], sent, no_eff[: len(sent)], plan)
    expected = np.round(255 * found.mean(axis=-1, keepdims=True))
    assert np.abs(shown - expected).max() <= 1
    noise = 9 * RNG.standard_normal(700)
    assert coder.receive(x + noise, np.full(700, 81.0), seed=1) is None
    words = "40 x 24 pixels has 90 symbols, .* take 96 at least: .* or use ae-even"
    with pytest.raises(ScenarioError, match=words):
        NetworkCoder(coder.rates, blocks[1], SHAPE, 90, 0.01, AHEAD)
