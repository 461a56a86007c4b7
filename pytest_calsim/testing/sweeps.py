"""Grids of specs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pytest_calsim.arrays.plain import plain
from pytest_calsim.errors import SpecError
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.spec import Spec, check_spec

if TYPE_CHECKING:
    import pandas as pd

    from pytest_calsim.recording.recording import Recording

__all__ = ["Sweep", "SweepPoint", "pairs", "sweep"]


class SweepPoint(NamedTuple):
    """One spec of a sweep, and where in the grid it stands: ``for spec, axes in sweep(...)``.

    Attributes
    ----------
    spec
        The spec; nothing in it says that it came from a sweep, so its key is that of the same spec made by hand.
    axes
        The value on each axis, by dotted path.
    """

    spec: Spec
    axes: Mapping[str, Any]


class Sweep(tuple[SweepPoint, ...]):
    """The specs of a grid, the last axis varying fastest. Made by :func:`sweep`."""

    __slots__ = ()

    def table(
        self,
        score: Callable[[Recording], Mapping[str, Any] | Any],
        *,
        record: Callable[[Spec], Recording] = simulate,
    ) -> pd.DataFrame:
        """Return the scores of every recording of the grid, as a tidy table: one row a spec.

        Parameters
        ----------
        score
            Gives a recording's scores by name, or one score (the column is then ``score``).
        record
            Makes the recordings; in a test, ``sim_recording_factory`` keeps them in the cache.

        Returns
        -------
        DataFrame
            A column for each axis, named by its dotted path, then one for each score.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for spec, axes in self:
            given = score(record(spec))
            scores = dict(cast("Mapping[str, Any]", given)) if isinstance(given, Mapping) else {"score": given}
            twice = sorted(scores.keys() & axes.keys())
            if twice:
                raise SpecError(f"the score {twice[0]!r} has the name of an axis; call it something else")
            rows.append({**axes, **scores})
        return pd.DataFrame(rows)


def sweep(spec: Spec, axes: Mapping[str, Sequence[Any]]) -> Sweep:
    """Build every combination of the values on some axes, each a validated spec.

    Parameters
    ----------
    spec
        Where the sweep starts from.
    axes
        Values by dotted path, as in the ``overrides`` of :meth:`Spec.edit <pytest_calsim.Spec.edit>`:
        ``{"brain_motion.max_shift_um": [2, 8], "acquisition.optics.na": [0.2, 0.3], "seed": range(3)}``.
        A value may itself be a tuple or a table, where the field takes one.

    Returns
    -------
    Sweep
        A tuple of :class:`SweepPoint`; its ``table`` scores the whole grid.

    Raises
    ------
    SpecError
        For a wrong path (naming the nearest right one), an axis without values, or a value that cannot be simulated.

    Examples
    --------
    >>> from pytest_calsim import load_preset
    >>> grid = sweep(load_preset("tiny"), {"acquisition.optics.na": [0.2, 0.3], "seed": range(2)})
    >>> len(grid), grid[1].axes
    (4, {'acquisition.optics.na': 0.2, 'seed': 1})
    """
    check_spec(spec, "sweep")
    if not isinstance(axes, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SpecError(f"axes = {axes!r} must be a dict of lists of values by dotted path")
    named: dict[str, Any] = {path: plain(values) for path, values in axes.items()}
    for path, values in named.items():
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise SpecError(f"axis {path!r} = {values!r} must be a sequence of values")
        if not values:
            raise SpecError(f"axis {path!r} has no values")
    grid = (dict(zip(named, values, strict=True)) for values in product(*named.values()))
    return Sweep(SweepPoint(spec.edit(point), point) for point in grid)


def pairs(
    spec: Spec, knob: str, values: Sequence[Any], *, record: Callable[[Spec], Recording] = simulate
) -> tuple[Recording, ...]:
    """Make recordings that differ in one knob only: every draw that does not depend on it is the same in all.

    Parameters
    ----------
    spec
        What they share.
    knob
        A dotted path, as in :func:`sweep`: ``"sensor.photon_rate_per_s_um2"``.
    values
        Its values, in order: from hard to easy for :func:`~pytest_calsim.assert_monotone`.
    record
        Makes the recordings; in a test, ``sim_recording_factory`` keeps them in the cache.

    Returns
    -------
    tuple of Recording
        One for each value. Where a population declares an ``snr``, its brightness answers to every knob.

    Raises
    ------
    SpecError
        As :func:`sweep` does.

    Examples
    --------
    >>> from pytest_calsim import load_preset
    >>> dim, bright = pairs(load_preset("tiny"), "sensor.photon_rate_per_s_um2", [5_000, 20_000])
    >>> bool((dim.truth.C == bright.truth.C).all())
    True
    """
    return tuple(record(point.spec) for point in sweep(spec, {knob: values}))
