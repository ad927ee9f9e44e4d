"""The weights that a run uses, and their content, for all its batches."""

from pathlib import Path

from link_sim.models.cards import list_pretrained, read_card
from link_sim.receivers.names import list_weights
from link_sim.scenarios.base import Scenario, ScenarioError
from link_sim.scenarios.data_files import DataFolder, sha256


def weights_used(scenario: Scenario) -> dict[str, str]:
    """The SHA-256 of the weights that a run loads, by their names."""
    roles = list_weights(scenario.kind, scenario.receivers)
    names = {scenario.weights_name(role) for role in roles} | set(scenario.networks)
    used: dict[str, str] = {}
    for name in sorted(names):
        file = scenario.weights_file(name)
        if not file.endswith(".npz") and file not in list_pretrained():
            continue  # the experiment says what is missing
        card = read_card(file)
        used[name] = card["sha256"]
        for other in filter(None, map(card.get, ("encoder", "mean"))):
            file = scenario.weights_file(str(other))
            if file.endswith(".npz") or file in list_pretrained():
                used[other] = read_card(file)["sha256"]
    return used


def pinned(scenario: Scenario) -> Scenario:
    """The scenario with the SHA-256 of the weights it takes from its folder of them.

    Raises `ScenarioError` if there is no such folder, or nothing in it that is used.
    """
    if scenario.weights is None:
        return scenario
    folder = Path(scenario.weights.path).absolute()
    if not folder.is_dir():
        raise ScenarioError(
            f"weights = '{folder}' is not a folder: name one with trained weights, or "
            "leave weights out"
        )
    used = weights_used(scenario)
    files = {name: folder / f"{name}.npz" for name in used}
    own = {name: sha256(file) for name, file in files.items() if file.is_file()}
    if not own:
        raise ScenarioError(
            f"weights = '{folder}' holds none of the weights that are used here, "
            f"{', '.join(used) or 'as there are none'}: leave weights out"
        )
    weights = DataFolder(path=str(folder), sha256=own)
    return scenario.model_copy(update={"weights": weights})
