"""The quality that each card states, measured again on 1,000 evaluation digits."""

import os

import numpy as np
import pytest

from link_sim.models.pretrained import load_model, read_card
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder
from link_sim.receivers.semantic import SemanticDecoder, SymbolEncoder
from link_sim.recipes import bit_planes, classifiers, restorers
from link_sim.recipes.semantic_quality import decoder_quality
from link_sim.scenarios.loading import load_scenario
from link_sim.show.comparison import compare
from link_sim.world.sources import (
    evaluation_digits,
    evaluation_labels,
    evaluation_pictures,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["ddpm", "regression"])
def test_restorers_are_as_good_as_their_cards(name):
    stated = read_card(name)["quality"]
    measured = restorers.restoration_quality(name, number=1000)
    for key in stated.keys() - {"digits"}:
        # the mean squared errors of digits spread by about 60 %: 4 sigma is 0.35 dB
        assert measured[key] == pytest.approx(stated[key], abs=0.35)


def test_bit_planes_are_as_good_as_their_card():
    stated = read_card("bit-planes")["quality"]
    measured = bit_planes.bit_quality(load_model("bit-planes"), number=1000)
    for key in stated.keys() - {"digits"}:
        # the digits' remaining bits spread by about 30 %: 4 sigma is 4 %
        assert measured[key] == pytest.approx(stated[key], rel=0.04)


def test_classifier_is_as_good_as_its_card():
    classifier = load_model("digit-classifier")
    stated = read_card("digit-classifier")["quality"]["accuracy"]
    digits = evaluation_digits(), evaluation_labels()
    accuracy = classifiers.classifier_accuracy(classifier, *digits)
    assert accuracy == pytest.approx(stated, abs=1e-3)  # rounding flips very few
    assert accuracy >= 0.99


PICTURES = pytest.mark.skipif(
    "LINK_SIM_DATA" not in os.environ, reason="needs CIFAR-10 in LINK_SIM_DATA"
)


@pytest.mark.parametrize("source", ["mnist", pytest.param("cifar10", marks=PICTURES)])
def test_semantic_decoders_are_as_good_as_their_card(source):
    name = f"semantic-cdiff-{source}"
    card = read_card(name)
    blocks = SymbolEncoder, SemanticDecoder
    if "mean" in card:
        blocks = ScalableSymbolEncoder, FlowDecoder
    encoder, decoder = (
        blocks[0].from_preset(card["encoder"]),
        blocks[1].from_preset(name),
    )
    held_out = {"mnist": evaluation_digits, "cifar10": lambda: evaluation_pictures()[0]}
    for k, psnr_db in decoder_quality(encoder, decoder, held_out[source]()):
        # the same images and noise: what is left is rounding
        stated = card["quality"][f"psnr_db_of_{k}_symbols_1_steps"]
        assert psnr_db == pytest.approx(stated, abs=0.05)


@PICTURES
@pytest.mark.parametrize("users", [1, 2])
def test_one_network_serves_all_ratios_and_a_flow_draws_truer(users):
    names = "perfect-csi+ae", "perfect-csi+cdiff-4"
    points = np.array([0.0833333, 0.1666667]) * users
    settings = [f"receivers={list(names)}", f"sweep.points={list(map(float, points))}"]
    # as many symbols a user, and as much noise on each once they are despread
    settings += [f"users={users}", f"sweep.esno_db={7 - 10 * np.log10(users)}"]
    chosen = load_scenario("semantic-cifar10", [*settings, "stop.max_batches=5"])
    rows = compare(chosen).rows()
    values = {(r["receiver"], r["metric"], r["point"]): r["value"] for r in rows}
    # DeepJSCC as reproduced, a network for each: 500 images are known to 0.2 dB
    for point, psnr_db in zip(chosen.sweep.points, (25.4, 28.1), strict=True):
        assert values[names[0], "psnr", point] > psnr_db - 0.3
        mean, sharp = (values[name, "fcd", point] for name in names)
        assert sharp < 0.8 * mean


def test_conditional_diffusion_equals_the_autoencoder_and_draws_truer():
    names = ["ae", "vae", "cdiff", "cdiff-8"]
    receivers = [f"perfect-csi+{name}" for name in names]
    settings = [f"receivers={receivers}", "sweep.points=[0.0833333]"]
    rows = compare(load_scenario("semantic", settings)).rows()
    values = {(row["receiver"], row["metric"]): row["value"] for row in rows}
    psnr, distance = (
        [values[receiver, metric] for receiver in receivers]
        for metric in ("psnr", "fcd")
    )
    assert psnr[2] > psnr[0] - 0.1  # the same images and noise
    assert distance[3] < 0.8 * min(distance[:2])
