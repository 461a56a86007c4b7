"""Hold any pipeline that finds cells to a contract: laws that no strength of a pipeline excuses from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_calsim.errors import RecoveryError, nearest
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.presets import load_preset
from pytest_calsim.spec.spec import Spec
from pytest_calsim.testing.relations.clause import Clause, NotApplicableError, Trial
from pytest_calsim.testing.relations.edge_scenes import EDGE_SCENES
from pytest_calsim.testing.relations.outcome import Outcome, Run, check_run
from pytest_calsim.testing.relations.relation import RELATIONS, brighter
from pytest_calsim.testing.scorecard import Check, Scorecard
from pytest_calsim.testing.short_traceback import short_traceback
from pytest_calsim.testing.verdict import judge

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["PipelineContract", "contract_scene"]

_CELLS_PX = ((12, 14), (14, 38), (12, 60), (30, 26), (32, 50), (48, 13), (48, 37), (47, 61))
_SHAPE_PX = (60, 72)


def contract_scene() -> Spec:
    """Return the spec that contracts are checked on where no other is given.

    Eight well lit cells, each apart from the others, on 60 x 72 px for 10 s: a pipeline that finds cells at all finds
    them, and one that swaps height and width shows it.

    Examples
    --------
    >>> contract_scene().acquisition.image_sensor.height_px
    60
    """
    spec = load_preset("tiny")
    pixel_um = spec.acquisition.pixel_size_um
    height, width = _SHAPE_PX
    depth = spec.acquisition.focal_depth_um
    at = [
        (depth, (row - (height - 1) / 2) * pixel_um, (column - (width - 1) / 2) * pixel_um) for row, column in _CELLS_PX
    ]
    population = {"soma_radius_um": 5.5, "brightness_cv": 0.2, "depth_um": depth, "thickness_um": 20}
    spec = spec.edit(
        {
            "acquisition.duration_s": 10,
            "acquisition.image_sensor.height_px": height,
            "acquisition.image_sensor.width_px": width,
            "place_neurons.populations": [population],
            "place_neurons.positions_um": at,
            "cell_activity.mean_quiescent_s": 2,
            "cell_activity.mean_active_s": 0.3,
        }
    )
    return brighter(spec, 5.0)


class PipelineContract:
    """What a pipeline promises: relations between its results, and results that can be right on scenes at the edge.

    Parameters
    ----------
    run
        The pipeline: takes a :class:`~pytest_calsim.Recording`, looks at its ``observed`` and its frame rate, and gives
        an :class:`~pytest_calsim.Estimate` or footprints. Where it has a parameter ``workers``, results with other
        numbers of them are compared.
    clauses
        What is promised; by default every relation and every scene at the edge.
    record
        Makes recordings of specs; in a test, ``sim_recording_factory`` keeps them in the cache.

    Examples
    --------
    A test of every clause, with the clause in its id::

        contract = PipelineContract(lambda recording: my_pipeline(recording.observed))

        @pytest.mark.parametrize("clause", contract.clauses, ids=str)
        def test_contract(clause):
            contract.check(clause)
    """

    def __init__(
        self,
        run: Run,
        *,
        clauses: Sequence[Clause] = (*RELATIONS, *EDGE_SCENES),
        record: Callable[[Spec], Recording] = simulate,
    ) -> None:
        check_run(run)
        self.run = run
        self.clauses = tuple(clauses)
        self._record = record
        self._kept: Outcome | None = None

    def __repr__(self) -> str:
        return f"<PipelineContract of {len(self.clauses)} clauses>"

    @short_traceback
    def check(self, clause: Clause | str, recording: Recording | None = None) -> Scorecard | None:
        """Hold the pipeline to one clause.

        Parameters
        ----------
        clause
            One of :attr:`clauses`, or its name.
        recording
            What the clause changes; by default a recording of :func:`contract_scene`, in which a pipeline must find a
            cell. What it finds is kept for the next clause.

        Returns
        -------
        Scorecard
            What was compared; ``None`` where nothing was.

        Raises
        ------
        RecoveryError
            When the pipeline breaks it. It carries both results, so that the test's failure section and its files show
            both.
        pytest.skip.Exception
            When the clause says nothing of this pipeline or this recording.
        """
        chosen = self._named(clause) if isinstance(clause, str) else clause
        given = self._default() if recording is None else recording
        trial = Trial(self.run, lambda: self._baseline(given, is_own=recording is None), given, self._record)
        try:
            return chosen.check(trial)
        except NotApplicableError as reason:
            pytest.skip(f"{chosen.name}: {reason}")
        except RecoveryError as error:
            if error.baseline is not None:  # two results were compared, and each may be right
                error.add_note(f"{chosen.name}: {chosen.reason}")
            raise

    def _named(self, name: str) -> Clause:
        for clause in self.clauses:
            if clause.name == name:
                return clause
        raise ValueError(f"no clause {name!r}; {nearest(name, [clause.name for clause in self.clauses])}")

    def _default(self) -> Recording:
        return self._record(contract_scene()) if self._kept is None else self._kept.recording

    def _baseline(self, recording: Recording, *, is_own: bool) -> Outcome:
        if self._kept is None or self._kept.recording is not recording:
            self._kept = Outcome.of(self.run, recording)
        if is_own and self._kept.estimate.A is not None:
            _check_some_found(self._kept)
        return self._kept


def _check_some_found(outcome: Outcome) -> None:
    """Refuse to compare with nothing: where no cell is found, a relation between cells holds whatever is wrong."""
    counted = outcome.cells.counted
    found = int((counted & outcome.found).sum())
    words = (
        f"of {int(counted.sum())} bright cells in the contract's scene, by {outcome.estimate.n_units} estimates; "
        "if the pipeline is made for other cells, give a recording of those"
    )
    card = Scorecard("baseline", [Check("found", found, 1, words=words)], words=("is enough", "is NOT enough"))
    if not card.passed:
        judge(card, outcome.estimate, outcome.recording)
