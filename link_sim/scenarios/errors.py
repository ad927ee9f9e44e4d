"""Mistakes in scenarios, each in one sentence with the remedy."""

from pydantic import ValidationError


class ScenarioError(ValueError):
    """A scenario that cannot be run; the message is one sentence with the remedy."""


def sentence(error: ValidationError) -> str:
    """The first mistake in a scenario, in one sentence with the remedy."""
    first = error.errors()[0]
    keys = (str(part) for part in first["loc"])
    key = ".".join(part for part in keys if part.replace("_", "").isalnum())
    key = key.removesuffix(".DataFile").removesuffix(".DataFolder")
    if first["type"] == "extra_forbidden":
        return f"the scenario key '{key}' is unknown: remove it or check its spelling"
    if first["type"] == "missing":
        return f"the scenario key '{key}' is missing: add it"
    if first["type"] == "value_error":
        return f"{key}: {first['ctx']['error']}" if key else str(first["ctx"]["error"])
    return f"{key} = {first['input']!r} is not possible: {first['msg']}"
