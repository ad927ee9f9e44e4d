"""Paths in a band so wide that each of its frequencies has a wavelength of its own.

Over an array many wavelengths long, what arrives from one direction then has another
slope of phase at each frequency (beam squint).
"""

import numpy as np

from link_sim.receivers.estimation.path_models import WithDelays, with_derivatives


class WithSquint(WithDelays):
    """One gain and one delay a path: atoms e_t(tau) M v(s, a; f_t), a single column.

    stretch: frequency of each snapshot over that of the carrier, [snapshots]. Other
    arguments as those of `WithDelays`.
    """

    def __init__(self, array, m, nearest: float, frequencies, stretch):
        super().__init__(array, m, nearest, frequencies)
        self.stretch = np.asarray(stretch, float)
        seen = np.swapaxes(self.m, -1, -2).astype("complex64")
        waves = (array.waves(self.candidates.path, x) for x in self.stretch)
        atoms = [np.matmul(each.astype("complex64"), seen) for each in waves]
        self.bra = np.conj(atoms)  # [snapshots, (batch,) points, measurements]

    def rows(self, keep):
        part = super().rows(keep)
        if self.m.ndim == 3:
            part.bra = self.bra[:, keep]
        return part

    def atoms(self, path):
        m = self.m if self.m.ndim == 2 else self.m[:, None, None]
        return self._delayed(path, np.matmul(self._space(path), np.swapaxes(m, -1, -2)))

    def waves(self, path):
        return self._delayed(path, self._space(path))

    def _space(self, path):
        """Waves and derivatives as `waves` orders them, [batch, 1 + d + d (d + 1) / 2,
        snapshots, antennas]."""
        place = path[:, : self.array.axes + 1]
        scale = -2 * np.pi / self.array.wavelength * self.array.cells
        slopes = self.array.slopes(place) * scale[:, None]
        each = (
            with_derivatives(self.array.waves(place, x), slopes * x)
            for x in self.stretch
        )
        return np.stack(list(each), axis=2)

    def matches(self, rest, atoms):
        bra = self.bra[:, None] if self.m.ndim == 2 else self.bra
        rest, atoms = np.moveaxis(rest, 1, 0), np.moveaxis(atoms, 2, 0)
        found = np.matmul(bra, rest[..., None])[..., 0]
        own = np.matmul(bra, np.swapaxes(atoms, 2, 3).astype("complex64"))

        def match(turn):
            late = np.conj(turn)
            return np.tensordot(late, found, 1), np.tensordot(late, own, 1)

        return match

    def fields(self, path, gains):
        place, gains = path[..., :-1], gains * self.turns(path[..., -1])
        h = [
            np.einsum("bln,bl->bn", self.array.waves(place, x), gains[..., t])
            for t, x in enumerate(self.stretch)
        ]
        return np.stack(h, axis=2)
