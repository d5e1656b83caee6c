"""One arm's posterior as numbers at quadrature nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A posterior at nodes of the scale on which it is integrated; every array has the nodes' shape.

    Attributes:
        density: Per unit of that scale.
        below: Probability of a smaller value.
        above: Probability of a larger value, which 1 - below would round away.
        stretch: Units of the value per unit of the scale.
    """

    density: NDArray[np.float64]
    below: NDArray[np.float64]
    above: NDArray[np.float64]
    stretch: NDArray[np.float64]


class Marginal(Protocol):
    """What is known of one arm's value, ready to be integrated."""

    def panel_ends(self) -> NDArray[np.float64]:
        """Where to cut the scale of integration, so that this posterior is smooth and resolved in between."""
        ...

    def profile(self, nodes: NDArray[np.float64]) -> Profile:
        """The posterior at nodes of the scale of integration."""
        ...
