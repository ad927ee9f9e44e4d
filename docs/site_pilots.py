"""Pilots of users of the shipped site, as a base station receives them.

python docs/site_pilots.py USERS SNR_DB FILE

Users are of those that estimators may learn from, as in the scenario `site`. A
quarter more than USERS are written, if there are so many: `link-sim train` keeps the
last fifth apart.
"""

import sys
from pathlib import Path

import numpy as np

from link_sim import load_scenario, save_channels
from link_sim.scenarios.sites import load_site
from link_sim.world.ensembles import received
from link_sim.world.site_channels import responses, turned


def write(users: int, snr_db: float, path: Path, seed: int = 3) -> None:
    rng, cell = np.random.default_rng(seed), load_scenario("site").cell
    site = load_site("munich")
    chosen = rng.permutation(np.flatnonzero(~site.test))[: users * 5 // 4]
    paths = turned(rng, site.chosen(chosen))
    h = responses(paths, cell.antennas, cell.frequencies)
    y = received(rng, h.astype("complex64"), 10 ** (-snr_db / 10))
    spacing = float(cell.frequencies[1] - cell.frequencies[0])
    save_channels(path, h=y[:, :, None, :, None], spacing=spacing)


if __name__ == "__main__":
    write(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
