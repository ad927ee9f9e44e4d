"""The receivers of the semantic link by name, and the weights that they load."""

import re
from pathlib import Path
from typing import NamedTuple

from link_sim.models import pretrained
from link_sim.receivers.catalog import ESTIMATORS
from link_sim.receivers.semantic import SemanticDecoder, SymbolEncoder
from link_sim.scenarios import data_files
from link_sim.scenarios.loading import ScenarioError
from link_sim.scenarios.semantic import SemanticScenario

NAMES = re.compile(r"(ae|vae|cdiff)(?:-(\d+))?|(jpeg|webp)(?:-at-(-?\d+))?")
DESCRIPTIONS = {
    "ae": "semantic decoder: autoencoder",
    "vae": "semantic decoder: variational autoencoder",
    "cdiff": "semantic decoder: conditional diffusion, 1 step; cdiff-8 …",
    "jpeg": "separation: JPEG, LDPC and QAM at the rate that the SNR allows",
    "webp": "separation: the same with WebP; webp-at-7 keeps to the rate for 7 dB",
}


class Way(NamedTuple):
    """A receiver of the semantic link: how images are sent, and how recovered."""

    name: str
    estimator: str
    decoder: SemanticDecoder | None  # None for the separation baseline
    sender: str  # the encoder's weights, or the baseline's own name
    codec: str | None
    design_db: float | None  # Es/N0 that the baseline is designed for, if fixed


def load_way(scenario: SemanticScenario, name: str) -> Way:
    """The receiver that a name such as `ls+cdiff-8` or `perfect-csi+jpeg` stands for.

    Raises `ScenarioError` for names that are not known.
    """
    estimator, plus, decoder = name.partition("+")
    found = NAMES.fullmatch(decoder)
    if estimator not in ESTIMATORS or not plus or not found:
        raise ScenarioError(
            f"the receiver '{name}' is not known here: join one of "
            f"{', '.join(ESTIMATORS)} by + to one of {', '.join(DESCRIPTIONS)}"
        )
    kind, steps, codec, design_db = found.groups()
    if codec:
        design_db = None if design_db is None else float(design_db)
        if design_db is not None and not -100 <= design_db <= 200:
            raise ScenarioError(f"'{decoder}' is no Es/N0 in dB: use -100 to 200")
        return Way(name, estimator, None, name, codec, design_db)
    if steps and kind != "cdiff":
        raise ScenarioError(f"'{decoder}' takes one step: use {kind} or cdiff-N")
    shipped = scenario.system(kind)
    if not scenario.weights and shipped not in pretrained.list_pretrained():
        raise ScenarioError(
            f"users = {scenario.users} has no weights for payload.source = "
            f"'{scenario.payload.source}': use users=1, payload.source=cifar10, or "
            f"weights=FOLDER with your own {shipped}.npz"
        )
    weights = _file(scenario, shipped)
    sender = pretrained.read_card(weights).get("encoder")
    if not isinstance(sender, str) or Path(sender).name != sender:
        raise ScenarioError(f"the card of '{weights}' names no encoder: train it again")
    try:
        decoder = SemanticDecoder.from_preset(weights, num_steps=int(steps or 1))
    except ValueError as error:
        raise ScenarioError(f"receiver '{name}': {error}") from None
    return Way(name, estimator, decoder, sender, None, None)


def load_encoder(scenario: SemanticScenario, name: str) -> SymbolEncoder:
    """The encoder with the weights `name`."""
    return SymbolEncoder.from_preset(_file(scenario, name))


def _file(scenario: SemanticScenario, weights: str) -> str:
    """Weights of the scenario's folder, or those shipped.

    Raises `ValueError` if they are not those the scenario was read with.
    """
    if not scenario.weights:
        return weights
    path = str(Path(scenario.weights) / f"{weights}.npz")
    if Path(path).is_file():
        data_files.check(path, (scenario.weights_sha256 or {}).get(weights))
    return path
