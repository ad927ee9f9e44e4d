"""Sites: what Sionna RT traces of a scene, from a base station to users on a grid.

Only this module needs Sionna RT and, on a CPU, LLVM; what it writes needs neither.
"""

import time
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.sites import Site, first_within

USERS_AT_ONCE = 100
GROUND = 1.0
"""Height [m] below which a place seen from above is outdoors."""
ABOVE = 500.0
"""Height [m] from which places are looked at, higher than any building."""
HEIGHT, DEPTH = 1.5, 5
"""Height of a user [m], and reflections at most."""
LARGEST_MAP = 100_000
"""Places of a user area at most."""


class Plan(NamedTuple):
    """What is traced.

    scene : of Sionna RT by name, such as `munich`, or the path of a Mitsuba `.xml`
    station : of the base station [m]
    area : smallest and largest x, smallest and largest y of the users [m]
    step : of the grid of users [m]; carrier : [Hz]; rays : of the base station
    """

    scene: str = "munich"
    station: tuple[float, float, float] = (8.5, 21.0, 27.0)
    area: tuple[float, float, float, float] = (-141.5, 158.5, -129.0, 171.0)
    step: float = 5.0
    carrier: float = 3.5e9
    rays: int = 200_000


def trace(plan: Plan, report=print) -> tuple[Site, dict]:
    """The site of a plan, and facts about how it was traced.

    Line of sight and specular reflections, no refraction (rays would pass through
    buildings), no diffraction, vertical isotropic antennas. The times of a user begin
    with the first path within 20 dB of the strongest.

    Raises `ScenarioError` if Sionna RT finds neither GPU nor LLVM, for a scene that
    there is not, and where no user has a path.
    """
    rt, scene = _scene(plan)
    start = time.process_time()
    places, buildings = _outdoors(scene, plan)
    parts = []
    for some in np.array_split(places, -(-len(places) // USERS_AT_ONCE)):
        parts.append(_traced(rt, scene, plan, some))
        report(f"{sum(len(p[0]) for p in parts)} of {len(places)} places")
    position, count, *paths = (np.concatenate(z) for z in zip(*parts, strict=True))
    reached = count > 0
    if not reached.any():
        raise ScenarioError(
            f"none of {len(places)} users has a path to the base station at "
            f"{list(plan.station)}: move it, or the area"
        )
    gain, delay, angles, direct = paths
    users = np.repeat(np.arange(len(count)), count)
    sight = np.bincount(users, direct, len(count)) > 0
    delay = delay - np.repeat(first_within(gain, delay, count), count)
    site = Site.of(
        position[reached], sight[reached], count[reached], gain, delay, angles,
        plan.station, plan.carrier, buildings, plan.area,
    )  # fmt: skip
    facts = plan._asdict() | {
        "height": HEIGHT,
        "depth": DEPTH,
        "versions": {n: version(n) for n in ("sionna-rt", "mitsuba", "drjit")},
        "places": len(places),
        "cost": f"{time.process_time() - start:.0f} s of CPU time",
    }
    return site, facts


def _scene(plan: Plan):
    """Sionna RT and a scene with the base station in it."""
    try:
        import drjit

        backends = drjit.JitBackend.LLVM, drjit.JitBackend.CUDA
        if not any(map(drjit.has_backend, backends)):
            raise ScenarioError(
                "Sionna RT needs LLVM to trace on a CPU, and finds none: install it, "
                "such as by `apt-get install libllvm15`, or name it in "
                "DRJIT_LIBLLVM_PATH; a traced site needs neither"
            )
        import sionna.rt as rt
    except ImportError as error:
        raise ScenarioError(
            f"sites are traced by Sionna RT, which does not load ({error}): install "
            "the distribution `sionna`"
        ) from None
    known = getattr(rt.scene, plan.scene, plan.scene)
    if not str(known).endswith(".xml"):
        raise ScenarioError(
            f"there is no scene '{plan.scene}': use one of Sionna RT, such as munich, "
            "florence or etoile, or the path of a Mitsuba .xml"
        )
    try:
        scene = rt.load_scene(known)
    except Exception as error:
        raise ScenarioError(f"{known} is no scene of Sionna RT: {error}") from None
    scene.frequency = plan.carrier
    antenna = rt.PlanarArray(num_rows=1, num_cols=1, pattern="iso", polarization="V")
    scene.tx_array = scene.rx_array = antenna
    scene.add(rt.Transmitter("station", position=list(plan.station)))
    return rt, scene


def _outdoors(scene, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Places of users outdoors [number, 3], and where buildings stand on the grid."""
    import mitsuba as mi

    (left, right, low, high), step = plan.area, plan.step
    sizes = (right - left) / step, (high - low) / step
    if min(sizes) < 1 or sizes[0] * sizes[1] > LARGEST_MAP:
        raise ScenarioError(
            f"the area {list(plan.area)} has no or too many places {step:g} m apart: "
            f"give smallest and largest x and y, for 1 to {LARGEST_MAP} places"
        )
    x, y = np.meshgrid(
        np.arange(left + step / 2, right, step), np.arange(low + step / 2, high, step)
    )
    flat = np.stack([x.ravel(), y.ravel()]).astype("float32")
    above = mi.Point3f(*flat, np.full(x.size, ABOVE, "float32"))
    seen = scene.mi_scene.ray_intersect(mi.Ray3f(above, mi.Vector3f(0, 0, -1)))
    roof = np.array(seen.p)[2].reshape(x.shape)
    free = roof.ravel() < GROUND
    if not free.any():
        raise ScenarioError(f"no place of {list(plan.area)} is outdoors: move the area")
    users = np.column_stack([*flat[:, free], np.full(free.sum(), HEIGHT)])
    return users, roof >= GROUND


def _traced(rt, scene, plan: Plan, places: np.ndarray) -> tuple:
    """Places, number of paths of each, and of all paths in a row: gains, delays [s],
    angles (theta, phi at the station, theta, phi at the user), and whether direct."""
    for name in list(scene.receivers):
        scene.remove(name)
    for i, place in enumerate(places):
        scene.add(rt.Receiver(f"user-{i}", position=[float(v) for v in place]))
    paths = rt.PathSolver()(
        scene,
        max_depth=DEPTH,
        samples_per_src=plan.rays,
        refraction=False,
        seed=1,
    )
    there = np.array(paths.valid)[:, 0]
    real, imaginary = (np.array(z).reshape(there.shape) for z in paths.a)
    angles = paths.theta_t, paths.phi_t, paths.theta_r, paths.phi_r
    angles = np.stack([np.array(z)[:, 0] for z in angles], axis=-1)
    direct = np.all(np.array(paths.interactions)[:, :, 0] == 0, axis=0)
    gain, delay = real + 1j * imaginary, np.array(paths.tau)[:, 0]
    there &= np.abs(gain) > 0
    return (
        places, there.sum(1), gain[there], delay[there], angles[there], direct[there],
    )  # fmt: skip
