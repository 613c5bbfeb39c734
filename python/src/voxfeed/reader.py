"""Reading the parameters of a transform of batchgeneratorsv2, every one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import TransformError


@dataclass(frozen=True)
class Context:
    """What a step depends on besides its transform."""

    patch_size: Sequence[int]
    #: Whether slices are transformed on their own.
    dummy2d: bool

    def axes(self, given: Any) -> list[int]:
        """Axes as voxfeed counts them: those of a 2D patch are 1 and 2."""
        return sorted(int(axis) + 3 - len(self.patch_size) for axis in given)


class Reader:
    """Reads the parameters of one transform, and knows which ones nobody has asked for."""

    def __init__(self, transform: Any) -> None:
        self.name = type(transform).__name__
        self._left = {name: value for name, value in vars(transform).items() if not name.startswith("_")}

    def take(self, name: str, *default: Any) -> Any:
        """A parameter; releases that do not have it have the default, if there is one."""
        if name not in self._left and not default:
            raise self.refusal(name, "is missing: this release of batchgeneratorsv2 is not known")
        return self._left.pop(name, *default)

    def must_be(self, **wanted: Any) -> None:
        """Parameters that voxfeed knows one value of."""
        for name, value in wanted.items():
            found = self.take(name)
            if found != value:
                raise self.refusal(name, f"is {found!r}, voxfeed does what {value!r} does")

    def must_behave(self, name: str, reference: Callable[..., float], *arguments: Any) -> None:
        """A function that draws numbers: it must draw those of the reference, from the same random state."""
        given = self.take(name)
        state = np.random.get_state()
        try:
            for seed in range(8):
                drawn = []
                for draw in (given, reference):
                    np.random.seed(seed)
                    drawn.append([float(draw(*arguments)) for _ in range(4)])
                if drawn[0] != drawn[1]:
                    raise ValueError
        except Exception:
            raise self.refusal(name, f"is {given!r}, voxfeed knows the one of nnUNetTrainerDA5") from None
        finally:
            np.random.set_state(state)

    def ignore(self, *names: str) -> None:
        """Parameters that say nothing where the others are as they must be."""
        for name in names:
            self._left.pop(name, None)

    def number(self, name: str) -> float:
        """A plain number."""
        return self._number(name, self.take(name))

    def _number(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise self.refusal(name, f"is {value!r}, which is no number")
        return float(value)

    def flag(self, name: str) -> bool:
        """A flag, or a probability that is 0 or 1."""
        value = self.take(name)
        if value not in (0, 1):
            raise self.refusal(name, f"is {value!r}, voxfeed does it always or never")
        return bool(value)

    def range(self, name: str) -> list[float]:
        """Two ends that numbers are drawn between, evenly."""
        value = self.take(name)
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise self.refusal(name, f"is {value!r}, voxfeed draws evenly between two numbers")
        return [self._number(name, end) for end in value]

    def about_one(self, name: str) -> list[float]:
        """Two ends that numbers are drawn between as ``BGContrast`` does: below and above 1 with equal chance."""
        value = self.take(name)
        if type(value).__name__ != "BGContrast" or callable(value.contrast_range):
            raise self.refusal(name, f"is {value!r}, voxfeed draws as BGContrast does")
        return [self._number(name, end) for end in value.contrast_range]

    def refusal(self, parameter: str | None, what: str) -> TransformError:
        """The error that this transform cannot be translated."""
        where = self.name if parameter is None else f"{self.name}.{parameter}"
        return TransformError(where, what, "Use a trainer without it, or run it in Python with --python-transforms")

    def finish(self) -> None:
        """Refuses parameters that nobody has looked at."""
        for name, value in self._left.items():
            raise self.refusal(name, f"is {value!r}, a parameter that voxfeed does not know")
