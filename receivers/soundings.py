"""Functions that build the estimators of `catalog.SOUNDING` for a `SoundingContext`."""

from functools import partial

from link_sim.models.plane_spectrum import read_spectrum
from link_sim.models.pretrained import load_model
from link_sim.models.wavenumber_spectrum import learn_spectrum, responses, wavenumbers
from link_sim.receivers.context import SoundingContext
from link_sim.receivers.estimation import (
    linear_soundings,
    near_field,
    near_field_baselines,
    path_averages,
    path_bounds,
    plane_messages,
    visibility,
)


def least_squares(sounding: SoundingContext):
    return linear_soundings.least_squares


def lmmse(sounding: SoundingContext):
    return partial(linear_soundings.lmmse, covariance=sounding.covariance())


def sample_lmmse(sounding: SoundingContext):
    y, m, no = sounding.received()
    covariance = linear_soundings.sample_covariance(y[..., None], m, no)
    return partial(linear_soundings.lmmse, covariance=covariance)


def spectrum(sounding: SoundingContext):
    """LMMSE under the spectrum of received pilots; no clean channel is seen.

    Its few updates suit isotropic fields. Of clusters it states too large an error: 1.6
    times after 16 pilots of three clusters, all of 256 antennas measured, at 10 dB.
    """
    return _under_spectrum(sounding, lambda *seen: learn_spectrum(*seen)[0])


def score(sounding: SoundingContext, preset: str):
    """The same with the spectrum that a network reads off them at once."""
    return _under_spectrum(sounding, partial(read_spectrum, load_model(preset)))


def plane_vamp(sounding: SoundingContext, preset: str):
    """Message passing around a denoiser that was trained on clean channels."""
    denoiser = load_model(preset)
    own = denoiser.network.get_config()
    if (sounding.shape, sounding.spacing) != (2 * (own["side"],), own["spacing"]):
        raise ValueError(
            f"plane-vamp knows planes of {own['side']} x {own['side']} antennas at "
            f"{own['spacing']} wavelengths: set array.antennas and array.spacing to "
            "these, or train csi-near-planes anew"
        )
    return partial(plane_messages.plane_vamp, denoiser)


def _under_spectrum(sounding, read):
    if len(sounding.shape) != 2:
        raise ValueError(
            "a spectrum over wavenumbers needs a plane of antennas: give rows and "
            "columns"
        )
    y, m, no = sounding.received()
    f = responses(sounding.shape, wavenumbers(sounding.shape, sounding.spacing))
    power = read(m @ f, y, no)
    covariance = ((f * power) @ f.conj().T).astype("complex128")
    return partial(linear_soundings.lmmse, covariance=covariance)


def swomp(sounding: SoundingContext):
    return _on_array(near_field_baselines.swomp, sounding, _paths(sounding))


def polar_somp(sounding: SoundingContext):
    paths = _paths(sounding)
    return _on_array(near_field_baselines.polar_somp, sounding, paths, sounding.nearest)


def polar_sigw(sounding: SoundingContext):
    paths = _paths(sounding)
    return _on_array(near_field_baselines.polar_sigw, sounding, paths, sounding.nearest)


def on_grid(sounding: SoundingContext):
    return _on_array(near_field_baselines.on_grid, sounding, sounding.nearest)


def off_grid(sounding: SoundingContext):
    return _on_array(near_field.off_grid, sounding, sounding.nearest)


def off_grid_delays(sounding: SoundingContext):
    _refuse_one(sounding)
    return _on_array(
        near_field.off_grid, sounding,
        sounding.nearest, sounding.frequencies, sounding.stretch,
    )  # fmt: skip


def off_grid_averaged(sounding: SoundingContext):
    return _on_array(path_averages.off_grid_averaged, sounding, sounding.nearest)


def off_grid_visible(sounding: SoundingContext):
    return _on_array(visibility.off_grid_visible, sounding, sounding.nearest)


def genie(sounding: SoundingContext):
    """The geometry known, or for Gaussian channels the covariance."""
    if not sounding.number:
        estimator = lmmse(sounding)
        return lambda y, m, no, world: estimator(y, m, no)

    def known(y, m, no, world):
        return path_bounds.known_geometry(
            sounding.array, y, m, no, world.paths, world.windows, sounding.stretch
        )

    return known


def cramer_rao(sounding: SoundingContext, delays: bool = False):
    _paths(sounding)

    def bound(y, m, no, world):
        frequencies = sounding.frequencies if delays else None
        return path_bounds.efficient(
            sounding.array, y, m, no, world.h, world.paths, world.gains,
            frequencies, world.windows, sounding.stretch,
        )  # fmt: skip

    return bound


def cramer_rao_delays(sounding: SoundingContext):
    _refuse_one(sounding)
    return cramer_rao(sounding, delays=True)


def _on_array(estimator, sounding, *known):
    return lambda y, m, no: estimator(sounding.array, y, m, no, *known)


def _paths(sounding) -> int:
    if not sounding.number:
        raise ValueError(
            "Gaussian channels have no paths to find or to bound: use waves.scattering="
            "'paths', or estimators such as lmmse and spectrum"
        )
    return sounding.number


def _refuse_one(sounding) -> None:
    if len(sounding.frequencies) < 2:
        raise ValueError(
            "a delay needs at least two subcarriers: raise waves.subcarriers"
        )
