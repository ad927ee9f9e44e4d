"""What the covariance of a site is worth from few of its users, over draws of these.

python docs/few_users.py USERS DRAWS

NMSE [dB] at 0, 10 and 20 dB, over 400 channels of tested users and all draws: of the
covariance of all users that may be learned from; of that of UMi; of USERS at random
alone; leaning towards UMi by 0.3; and by as much as the pilots say (`lmmse-few`).
Behind each, what it lacks to the first, and that of the worst draw.
"""

import sys

import numpy as np

from link_sim import load_scenario
from link_sim.experiments.csi_fields import World
from link_sim.models.kronecker_mixture import covariances, leaning
from link_sim.receivers.estimation import fields
from link_sim.world.ensembles import received
from link_sim.world.site_channels import responses

SNRS = np.array([0.0, 10.0, 20.0])
NOISE = 10 ** (-SNRS / 10)


def errors(h, known) -> np.ndarray:
    """NMSE at each SNR."""
    rng, carriers = np.random.default_rng(1), np.arange(h.shape[2])
    seen = [(received(rng, h.astype("complex64"), no), no) for no in NOISE]
    found = [fields.lmmse(y, no, carriers, known)[0] for y, no in seen]
    return np.array([np.mean(np.abs(h_hat - h) ** 2) for h_hat in found])


def main(users: int, draws: int) -> None:
    cell = load_scenario("site").cell
    world, rng = World(cell, ("site",)), np.random.default_rng(2)
    paths = world.users(rng, 400, test=True)
    h = responses(paths, cell.antennas, cell.frequencies)
    (site,), elsewhere = world.learned(), covariances(world.elsewhere())
    rows: dict[str, list] = {
        "all users": [errors(h, [(1.0, *covariances(site))])],
        "UMi": [errors(h, [(1.0, *elsewhere)])],
    }
    for _ in range(draws):
        own = covariances(site[rng.permutation(len(site))[:users]])
        fixed = [0.7 * a + 0.3 * b for a, b in zip(own, elsewhere, strict=True)]
        for name, known in {
            "alone": [(1.0, *own)],
            "leaning by 0.3": [(1.0, *fixed)],
            "as pilots say": leaning(own, elsewhere),
        }.items():
            rows.setdefault(name, []).append(errors(h, known))
    best = rows["all users"][0]
    for name, found in rows.items():
        mean, lacks = np.mean(found, axis=0), np.array(found) / best
        shown = mean, mean / best, lacks.max(axis=0)
        print(name, *(np.round(10 * np.log10(z), 2) for z in shown))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
