import io

from rich.console import Console

from link_sim.engine import montecarlo
from link_sim.scenarios.loading import load_scenario
from link_sim.show import display


def table(name: str, values: dict, width: int) -> list[str]:
    """The final table, with the same values (value, low, high) for each receiver."""
    scenario = load_scenario(name)
    point, *_ = scenario.sweep.points
    tallies = montecarlo.tally([point], scenario.stop)
    tallies[point].lines.append({})
    keys = "point", "receiver", "metric", "value", "low", "high"
    rows = [
        dict(zip(keys, (point, receiver, metric, *value), strict=True))
        for receiver in scenario.receivers
        for metric, value in values.items()
    ]
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    console.print(display.final_table(scenario, rows, tallies))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


CLASSES = {"class_flips": (0.25, 0.2, 0.3), "fcd": (1.591, 1.22, 1.96)}


def test_the_table_of_images_with_labels_shows_accuracy_and_frechet_distance():
    values = {"bler": (0.0012, 0.001, 0.0019), "psnr": (21.8, 21.7, 22.0)}
    values |= CLASSES | {"accuracy": (0.812, 0.79, 0.83)}
    lines = table("semantic", values, 120)
    assert "receiver BLER PSNR [dB] accuracy Fréchet distance" in lines
    assert (
        "perfect-csi+ae 1.2 [1.0, 1.9] e-3 21.8 [21.7, 22.0] 0.812 [0.790, 0.830] "
        "1.591 [1.220, 1.960]"
    ) in lines


def test_the_table_of_other_images_shows_class_flips():
    lines = table("smoke", {"psnr": (21.8, 21.7, 22.0), **CLASSES}, 80)
    assert "receiver PSNR [dB] class flips" in lines
    assert "ls 21.8 [21.7, 22.0] 0.250 [0.200, 0.300]" in lines
