"""A kind of experiment in two files and one line: what is asked."""

from typing import ClassVar, Literal

from link_sim.scenarios.base import Scenario


class ToyScenario(Scenario):
    """Signs over AWGN, with a receiver that decides and one that guesses."""

    opens: ClassVar = "toy_experiment:Toy"
    levels: ClassVar = (("esno_db",),)
    short_axes: ClassVar = ("esno_db",)

    kind: Literal["toy"] = "toy"
    repetitions: int = 1
