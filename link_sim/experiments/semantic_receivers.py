"""The receivers of the semantic link by name, and the weights that they load."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from link_sim.models.cards import list_pretrained, read_card
from link_sim.receivers.catalog import ESTIMATORS, SEMANTIC, SEPARATION
from link_sim.receivers.entries import parse_block
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder
from link_sim.receivers.semantic import SemanticDecoder, SymbolEncoder
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.semantic import SemanticScenario
from link_sim.world.picture_codec import check_codec


class SemanticReceiver(NamedTuple):
    """How images are sent, and how they are recovered."""

    name: str
    estimator: str
    decoder: SemanticDecoder | FlowDecoder | None  # None for the separation baseline
    sender: str  # the encoder's weights, or the baseline's own name
    codec: str | None
    design_db: float | None  # Es/N0 that the baseline is designed for, if fixed


def load_receiver(scenario: SemanticScenario, name: str) -> SemanticReceiver:
    """The receiver that a name such as `ls+cdiff-8` or `perfect-csi+jpeg` stands for.

    Raises `ScenarioError` for names that are not known and for weights that are not
    there.
    """
    estimator, plus, decoder = name.partition("+")
    try:
        if estimator not in ESTIMATORS or not plus:
            raise ValueError(f"there is no '{name}'")
        entry, number = parse_block(SEMANTIC | SEPARATION, decoder)
    except ValueError as error:
        raise ScenarioError(
            f"the receiver '{name}' is not known here ({error}): join one of "
            f"{', '.join(ESTIMATORS)} by + to one of {', '.join(SEMANTIC | SEPARATION)}"
        ) from None
    if entry in SEPARATION.values():
        codec = decoder.partition("-")[0]
        check_codec(codec)
        return SemanticReceiver(name, estimator, None, name, codec, number)
    weights = _weights(scenario, entry.weights[0])
    sender = read_card(weights).get("encoder")
    if not isinstance(sender, str) or Path(sender).name != sender:
        raise ScenarioError(f"the card of '{weights}' names no encoder: train it again")
    try:
        block = entry.make(number=number, find=partial(_weights, scenario))
    except ValueError as error:
        raise ScenarioError(f"receiver '{name}': {error}") from None
    return SemanticReceiver(name, estimator, block, sender, None, None)


def load_encoder(
    scenario: SemanticScenario, name: str
) -> SymbolEncoder | ScalableSymbolEncoder:
    """The encoder with the weights `name`."""
    file = scenario.weights_file(name)
    scalable = "image_shape" in read_card(file)
    return (ScalableSymbolEncoder if scalable else SymbolEncoder).from_preset(file)


def _weights(scenario: SemanticScenario, role: str) -> str:
    """Where the weights of a kind of decoder are; `ScenarioError` if nowhere."""
    name = scenario.weights_name(role)
    file = scenario.weights_file(name)
    if not file.endswith(".npz") and file not in list_pretrained():
        raise ScenarioError(
            f"'{name}' has no shipped weights: use weights=FOLDER with your own "
            f"{name}.npz"
        )
    return file
