"""The receivers of the semantic link by name, and the weights that they load."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from link_sim.models.cards import list_pretrained, read_card
from link_sim.receivers.catalog import ESTIMATORS, SEMANTIC, SEPARATION, SYMBOLS
from link_sim.receivers.entries import parse_block
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder
from link_sim.receivers.semantic import SemanticDecoder, SymbolEncoder
from link_sim.receivers.symbol_denoising import SymbolDenoising
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
    symbols: SymbolDenoising | None = None
    aware: bool = True  # of the hardware

    @property
    def equaliser(self) -> tuple[str, bool]:
        """What symbols depend on: the estimator, and whether hardware is known."""
        return self.estimator, self.aware

    def decode(self, x_hat, no_eff, noise, realism):
        """Images of equalised symbols."""
        if self.symbols is not None:
            x_hat, no_eff = self.symbols(x_hat, no_eff)
        return self.decoder(x_hat, no_eff, noise, realism)


def load_receiver(scenario: SemanticScenario, name: str) -> SemanticReceiver:
    """The receiver that a name such as `ls+cdiff-8` or `perfect-csi+jpeg` stands for.

    Raises `ScenarioError` for names that are not known, for weights that are not there
    and for those of two encoders.
    """
    estimator, *between = name.split("+")
    decoder = between.pop() if between else ""
    try:
        if estimator not in ESTIMATORS or not decoder or len(between) > 1:
            raise ValueError(f"there is no '{name}'")
        entry, number = parse_block(SEMANTIC | SEPARATION, decoder)
        middle, steps = parse_block(SYMBOLS, between[0] if between else "bussgang")
        if between and entry in SEPARATION.values():
            raise ValueError(f"there is nothing between {estimator} and {decoder}")
    except ValueError as error:
        raise ScenarioError(
            f"the receiver '{name}' is not known here ({error}): join one of "
            f"{', '.join(ESTIMATORS)} by + to one of {', '.join(SEMANTIC | SEPARATION)}"
            f", with one of {', '.join(SYMBOLS)} between them if you like"
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
        find = partial(_weights, scenario)
        block = entry.make(number=number, find=find)
        symbols = middle.make(number=steps, find=find)
    except ValueError as error:
        raise ScenarioError(f"receiver '{name}': {error}") from None
    for role in middle.weights:
        known = read_card(find(role)).get("encoder")
        if known != sender:
            raise ScenarioError(
                f"receiver '{name}': {between[0]} knows symbols of '{known}', and "
                f"{decoder} is for those of '{sender}': use ae or cdiff, or leave "
                f"{between[0]} out"
            )
    aware = middle is not SYMBOLS["linear"]
    return SemanticReceiver(name, estimator, block, sender, None, None, symbols, aware)


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
