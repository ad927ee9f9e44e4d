"""Errors of fields of fitted paths, against a Jacobian by differences."""

import numpy as np

from link_sim.receivers.estimation.gridless import Found, field, places_of
from link_sim.receivers.estimation.path_errors import variance_elsewhere


def test_it_is_the_covariance_of_the_parameters_through_the_jacobian():
    rng, no, cells = np.random.default_rng(0), 0.1, (0.03, 0.2)
    seen = places_of((5, 4))
    wanted = [np.array([6.0]), seen[1]]
    turns = rng.uniform(-0.4, 0.4, (1, 2, 2))
    gain = np.array([[1 + 0.5j, -0.3 + 0.8j]])

    def at(parameters, places):
        re, im, *along = parameters.reshape(4, 2)
        return field(Found(np.stack(along, -1)[None], (re + 1j * im)[None]), places)[0]

    start = np.concatenate([gain.real, gain.imag, *turns.transpose(2, 0, 1)]).ravel()

    def jacobian(places):
        step = 1e-6
        up = [at(start + step * e, places).ravel() for e in np.eye(8)]
        down = [at(start - step * e, places).ravel() for e in np.eye(8)]
        d = (np.array(up) - np.array(down)) / (2 * step)
        return np.concatenate([d.real, d.imag], axis=1)

    power = np.abs(gain[0]) ** 2
    before = [2 / power, 2 / power, [cells[0] ** -2] * 2, [cells[1] ** -2] * 2]
    there, then = jacobian(seen), jacobian(wanted)
    information = 2 / no * there @ there.T + np.diag(np.concatenate(before))
    expected = np.trace(then.T @ np.linalg.inv(information) @ then) / 4
    free = np.zeros((1, 1))
    found = Found(
        np.concatenate([turns, np.zeros((1, 1, 2))], 1), np.concatenate([gain, free], 1)
    )
    variance = variance_elsewhere(found, seen, wanted, no, cells)
    np.testing.assert_allclose(variance, expected, rtol=1e-5)
