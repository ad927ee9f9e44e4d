import numpy as np

from link_sim.models.joint_spectrum import JointSpectrum, stacked

LENGTHS = 3, 2


def told(seed=1, uses=4, no=0.2):
    """Gram matrices and matched filters of two channels of one path."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return (rng.standard_normal((*shape, 2)) @ [1, 1j]) / np.sqrt(2)

    turns = rng.uniform(-0.4, 0.4, (2, 2, 1))
    ends = [np.exp(2j * np.pi * turns[i] * np.arange(n)) for i, n in enumerate(LENGTHS)]
    h = ends[0][:, :, None] * ends[1][:, None]
    x = normal(2, LENGTHS[1], uses)
    y = h @ x + np.sqrt(no) * normal(2, LENGTHS[0], uses)
    heard = x.conj() / no
    return heard @ np.swapaxes(x, 1, 2), y @ np.swapaxes(heard, 1, 2)


def evidence(covariance, gram, matched):
    """log p(y | C) up to a constant, as in `block_fading.evidence`."""
    gram, b = (np.asarray(z) for z in stacked(gram, matched))
    mixed = np.eye(6) + gram @ covariance
    gain = np.conj(np.swapaxes(b, 1, 2)) @ covariance @ np.linalg.solve(mixed, b)
    return gain[:, 0, 0].real - np.linalg.slogdet(mixed)[1]


def test_covariances_are_hermitian_positive_and_of_lags():
    covariance = np.asarray(JointSpectrum(LENGTHS)(*told()))
    np.testing.assert_allclose(
        covariance, np.conj(np.swapaxes(covariance, 1, 2)), atol=1e-12
    )
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    lags = covariance.reshape(2, 3, 2, 3, 2)
    np.testing.assert_allclose(lags[:, 0, 0, 1, 1], lags[:, 1, 0, 2, 1], atol=1e-12)


def test_no_update_lowers_the_likelihood(monkeypatch):
    found = []
    for updates in range(5):
        monkeypatch.setattr("link_sim.models.joint_spectrum.UPDATES", updates)
        found.append(evidence(np.asarray(JointSpectrum(LENGTHS)(*told())), *told()))
    assert np.all(np.diff(found, axis=0) > 0)


def test_an_update_is_that_of_its_formula(monkeypatch):
    gram, b = (np.asarray(z) for z in stacked(*told()))
    spectrum = JointSpectrum(LENGTHS)
    f, p = spectrum._responses, spectrum._start
    solved = np.linalg.inv(np.eye(6) + gram @ (f * p @ f.conj().T))
    quadratic = np.abs(f.conj().T @ solved @ b)[:, :, 0] ** 2
    trace = np.einsum("ig,bij,jg->bg", f.conj(), solved @ gram, f).real
    expected = p * np.sqrt(quadratic / trace)
    monkeypatch.setattr("link_sim.models.joint_spectrum.UPDATES", 1)
    expected = np.einsum("ig,bg,jg->bij", f, expected, f.conj())
    np.testing.assert_allclose(spectrum(*told()), expected, rtol=1e-6, atol=1e-9)
