import numpy as np
import pytest
import tensorflow as tf
from sionna.phy.fec.ldpc import LDPC5GDecoder
from sionna.phy.ofdm import LSChannelEstimator

from link_sim.experiments.link import Link
from link_sim.receivers.catalog import ESTIMATORS, RESTORERS, SEMANTIC, SEPARATION
from link_sim.receivers.chain import Receiver, build_receivers, receive
from link_sim.receivers.entries import build_block, parse_block
from link_sim.receivers.names import list_receivers, parse_receiver
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def sent():
    overrides = ["channel.model=rayleigh", "antennas.polarisation=single"]
    overrides += ["batch_size=2", "code.iterations=4", "payload.num_images=4"]
    link = Link(load_scenario("image", overrides), ["perfect-csi"])
    return link, link.draw(link.scenario.at(2.0), batch_index=0)


def test_names_choose_blocks_in_any_order():
    assert parse_receiver("ls") == ("ls", "linear", "bp", "none", "once")
    expected = ("lmmse", "ep", "bp", "pixel-bayes", "once")
    assert parse_receiver("lmmse+ep+pixel-bayes") == expected
    assert parse_receiver("pixel-bayes+ep+lmmse") == expected


@pytest.mark.parametrize("name", ["", "none", "ls+lmmse", "ls+x", "ls+", "ls+ls"])
def test_wrong_names_are_answered_in_one_sentence(name):
    with pytest.raises(ValueError, match=f"'{name}'".replace("+", r"\+")):
        parse_receiver(name)


def test_a_shared_stage_is_computed_once(sent):
    link, transmission = sent
    calls = []

    class Counting:
        def __init__(self, block, name):
            self.block, self.name = block, name

        def __call__(self, *arguments):
            calls.append(self.name)
            return self.block(*arguments)

    names = ["ls", "ls+pixel-bayes", "lmmse"]
    receivers = build_receivers(names, link.transmitter)
    blocks = {}
    for receiver in receivers:
        for slot in ("estimator", "detector", "decoder", "restorer"):
            block = getattr(receiver, slot)
            if block is not None:
                counting = blocks.setdefault(id(block), Counting(block, slot))
                setattr(receiver, slot, counting)
    together = receive(receivers, transmission.y, transmission.no, transmission.h)
    once = ["estimator", "detector", "decoder"]
    assert sorted(calls) == sorted([*once, *once, "restorer"])
    for receiver in receivers:
        alone = receiver(transmission.y, transmission.no)
        for field, value in together[receiver.name]._asdict().items():
            assert np.array_equal(value, getattr(alone, field)), field


def test_blocks_of_sionna_and_ours_take_each_others_places(sent):
    link, transmission = sent
    transmitter = link.transmitter
    sionna = Receiver(
        transmitter,
        LSChannelEstimator(transmitter.resource_grid, interpolation_type="lin"),
        decoder=LDPC5GDecoder(transmitter.encoder, hard_out=False, num_iter=4),
        name="sionna",
    )
    ours = build_receivers(["ls"], transmitter)[0]
    arguments = transmission.y, transmission.no
    a, b = sionna(*arguments), ours(*arguments)
    assert np.allclose(a.llr, b.llr, atol=1e-4)
    assert np.array_equal(a.b_hat, b.b_hat)


def test_every_described_block_runs_in_a_chain(sent):
    link, transmission = sent
    for name in list_receivers():
        assert name in parse_receiver(name if name in ESTIMATORS else f"ls+{name}")
    names = ["perfect-csi+k-best", "lmmse+ep"]
    receivers = build_receivers(names, link.transmitter)
    for receiver in receivers:
        reception = receiver(transmission.y, transmission.no, transmission.h)
        errors = tf.reduce_mean(tf.abs(reception.b_hat - transmission.b))
        assert errors < 0.2


def test_a_number_in_a_name_is_that_of_the_entry():
    assert parse_block(RESTORERS, "ddpm") == (RESTORERS["ddpm"], None)
    assert parse_block(RESTORERS, "ddpm-soft-37") == (RESTORERS["ddpm-soft"], 37)
    assert parse_block(SEMANTIC, "cdiff-200") == (SEMANTIC["cdiff"], 200)
    assert parse_block(SEPARATION, "webp-at--5") == (SEPARATION["webp-at"], -5)
    assert parse_receiver("ls+ddpm-ancestral-50")[3] == "ddpm-ancestral-50"


def test_all_weights_of_an_entry_are_looked_for():
    asked = []

    def find(name):
        asked.append(name)
        return name

    restorer = build_block(RESTORERS, "ddpm-4", find=find)
    assert tuple(asked) == RESTORERS["ddpm"].weights
    assert restorer.histograms == RESTORERS["ddpm"].weights[1]


@pytest.mark.parametrize(
    "table, name, sentence",
    [
        (RESTORERS, "ddpm-0", "not a number of steps from 1 to 200"),
        (RESTORERS, "ddpm-201", "not a number of steps from 1 to 200"),
        (RESTORERS, "ddpm-04", "there is no 'ddpm-04': use one of none, pixel-bayes"),
        (RESTORERS, "pixel-bayes-2", "there is no 'pixel-bayes-2'"),
        (SEMANTIC, "ae-4", "there is no 'ae-4': use one of ae, vae, cdiff"),
        (SEPARATION, "webp-7", "there is no 'webp-7'"),
        (SEPARATION, "webp-at", "there is no 'webp-at'"),
        (SEPARATION, "webp-at-201", "not an Es/N0 in dB from -100 to 200"),
    ],
)
def test_wrong_numbers_are_answered_in_one_sentence(table, name, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_block(table, name)


def test_one_label_is_one_algorithm(sent):
    names = ["ls+ddpm-200", "ls+ddpm-ancestral", "ls+ddpm"]
    receivers = build_receivers(names, sent[0].transmitter)
    options = [(r.restorer.num_steps, r.restorer.eta) for r in receivers]
    assert options == [(200, 0.0), (200, 1.0), (1, 0.0)]
    receivers = build_receivers([*names, "ls"], sent[0].transmitter, num_steps=8)
    assert [r.restorer.num_steps for r in receivers[:3]] == [8, 8, 8]
    assert receivers[3].restorer is None
