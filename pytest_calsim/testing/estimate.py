"""Hold what a pipeline found, in one form for all pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.kernels.types import Floats
from pytest_calsim.testing.inputs.arrays import is_scipy_sparse
from pytest_calsim.testing.inputs.background import Background, read_background
from pytest_calsim.testing.inputs.footprints import Footprints, read_footprints
from pytest_calsim.testing.inputs.images import as_size
from pytest_calsim.testing.inputs.labelled import Source
from pytest_calsim.testing.inputs.labels import common_order
from pytest_calsim.testing.inputs.matrices import Rows, as_matrix, as_shifts, read_rows
from pytest_calsim.testing.inputs.types import FootprintForm, FootprintsLike, MatrixLike
from pytest_calsim.testing.readers import caiman, minian, suite2p
from pytest_calsim.testing.scoring.shifts import Convention, check_convention
from pytest_calsim.testing.short_traceback import short_traceback

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Estimate"]


class Estimate:
    """What a pipeline found: any of footprints, traces, spikes, shifts and background, checked and made plain.

    Takes NumPy, xarray (dims in any order), pandas, dask, scipy.sparse and ``sparse``. Labels are followed or refused:
    C and S are put in the order of A's ``unit_id`` (some pipelines reorder units along the way), frames, rows and
    columns in their own. The units of an A without labels are numbered 0, 1, 2, ...

    Parameters
    ----------
    A
        Footprints ``(unit_id, height, width)``, not negative; or a label image ``(height, width)`` of whole numbers.
        A unit that is zero everywhere is kept, and counts as no estimate.
    C
        Traces ``(unit_id, frame)``, any scale and offset.
    S
        Spikes or deconvolved activity ``(unit_id, frame)``.
    shifts
        ``(frame, shift_dim)``, px, columns (height, width).
    b
        Background images ``(height, width)``, or several ``(component, height, width)``.
    f
        Background courses ``(frame,)`` or ``(component, frame)``, one for each image of ``b``.
    convention
        What the sign of ``shifts`` means: ``"correction"`` or ``"displacement"``. Assertions then know it.
    image_shape
        Height and width of the recording, px; needed when A is scipy.sparse ``(unit_id, height * width)``.
    cells
        Only without A: the planted cells that the rows of C and S stand for, each once. Left out, row i is planted
        cell i.

    Raises
    ------
    EstimateError
        When a shape or label does not fit, or a value is NaN, infinite, masked or (in A) negative.

    Examples
    --------
    >>> import numpy as np
    >>> Estimate(A=np.ones((2, 8, 8)), C=np.ones((2, 50)))
    <Estimate A (2, 8, 8), C (2, 50)>
    """

    @short_traceback
    def __init__(
        self,
        A: FootprintsLike | None = None,
        C: MatrixLike | None = None,
        S: MatrixLike | None = None,
        shifts: MatrixLike | None = None,
        *,
        b: ArrayLike | xr.DataArray | None = None,
        f: ArrayLike | xr.DataArray | None = None,
        convention: Convention | None = None,
        image_shape: tuple[int, int] | None = None,
        cells: Sequence[int] | NDArray[np.integer] | None = None,
    ) -> None:
        self._footprints: Footprints | None = None if A is None else _read_footprints(A, image_shape)
        n_units = None if self.A is None else len(self.A)
        traces = None if C is None else read_rows(C, n_units=n_units, name="C")
        spikes = None if S is None else read_rows(S, n_units=n_units, name="S")
        labels = _labels_in_common(self.A, traces, spikes)
        self.C: Floats | None = _in_order(traces, labels, (n_units, None), "C")
        # S must have as many rows and frames as C; without A it is C that says how many units there are.
        shape = (n_units, None) if self.C is None else self.C.shape
        self.S: Floats | None = _in_order(spikes, labels, (shape[0], shape[1]), "S")
        self.shifts: Floats | None = None if shifts is None else as_shifts(shifts)
        self.background: Background | None = None if b is None and f is None else read_background(b, f)
        self.convention: Convention | None = None if convention is None else check_convention(convention)
        n_found = next((len(found) for found in (self.A, self.C, self.S) if found is not None), 0)
        self.labels: NDArray[np.generic] = np.arange(n_found) if labels is None else labels
        self.cells: NDArray[np.intp] | None = None if cells is None else _named_cells(cells, n_found)
        if self.A is not None and self.cells is not None:
            raise EstimateError("cells is given as well as A, whose footprints say which cells they are: leave one out")

    def __repr__(self) -> str:
        found = {"A": self.A, "C": self.C, "S": self.S, "shifts": self.shifts}
        parts = [f"{name} {value.shape}" for name, value in found.items() if value is not None]
        parts += ["background"] if self.background is not None else []
        return f"<Estimate {', '.join(parts) or 'of nothing'}>"

    @property
    def A(self) -> SparseFootprints | None:
        """Footprints, on the grid they were given on; ``None`` without."""
        return None if self._footprints is None else self._footprints.A

    @property
    def form(self) -> FootprintForm:
        """Form in which A was given; advice in messages goes by it."""
        return "array" if self._footprints is None else self._footprints.form

    @property
    def n_units(self) -> int:
        """Number of units found."""
        return len(self.labels)

    def footprints_on(self, image_shape: tuple[int, int]) -> SparseFootprints:
        """Return the footprints in their place in a recording's frames ``(height, width)``, px.

        Raises
        ------
        EstimateError
            When there are none, or they do not fit there.
        """
        if self._footprints is None:
            raise EstimateError("this Estimate has no A, which footprints are judged by")
        return self._footprints.on(as_size(image_shape, "image_shape"))

    @classmethod
    @short_traceback
    def from_minian(cls, results: Mapping[str, xr.DataArray] | xr.Dataset) -> Estimate:
        """Read minian's results: a Dataset (``open_minian``) or a dict with any of ``A, C, S, motion, b, f``.

        Units are those of C when it is there: minian's temporal updates drop and reorder units, A keeps the old ones.
        Units that were discarded in its viewer (``unit_labels`` of -1) are left out, those merged there are one:
        footprints summed, traces and spikes averaged. ``motion`` is a correction.

        Raises
        ------
        EstimateError
            As for :class:`Estimate`, and when C has units that A has not.
        """
        return cls(**minian.read(results))

    @classmethod
    @short_traceback
    def from_caiman(
        cls,
        estimates: object,
        dims: Sequence[int] | NDArray[np.integer] | None = None,
        *,
        shifts_rig: MatrixLike | None = None,
    ) -> Estimate:
        """Read CaImAn's ``estimates``, the ``CNMF`` object that has them, or its ``A`` alone.

        ``A`` (pixels, units) is in Fortran order; of ``A``, ``C`` and ``S`` the components in ``idx_components`` are
        kept where ``evaluate_components`` left them; ``b`` and ``f`` are the background.

        Parameters
        ----------
        estimates
            ``cnm.estimates`` or ``cnm``; a dict of the same names; or ``A`` alone, dense or sparse.
        dims
            Height and width, px; needed where neither carries them.
        shifts_rig
            Those of ``MotionCorrect``: corrections (row, column), one a frame, px.

        Raises
        ------
        EstimateError
            As for :class:`Estimate`, and when there are no dims, no A, or a component that is not there.
        """
        return cls(**caiman.read(estimates, dims, shifts_rig))._given_as("flat columns")

    @classmethod
    @short_traceback
    def from_suite2p(
        cls,
        stat: Sequence[Mapping[str, ArrayLike]] | NDArray[np.object_],
        shape: tuple[int, int],
        *,
        F: MatrixLike | None = None,
        Fneu: MatrixLike | None = None,
        neucoeff: float = 0.7,
        spks: MatrixLike | None = None,
        iscell: ArrayLike | None = None,
        yoff: ArrayLike | None = None,
        xoff: ArrayLike | None = None,
    ) -> Estimate:
        """Read suite2p's ``stat`` (``ypix``, ``xpix``, ``lam``), ``F``, ``Fneu``, ``spks``, ``iscell`` and offsets.

        Units are labelled by their row in ``stat``. Those that ``iscell`` rejects, and those that were merged into
        another (``inmerge`` above 0), are left out.

        Parameters
        ----------
        stat
            One dict a ROI.
        shape
            Height and width, px: ``(ops["Ly"], ops["Lx"])``.
        F, Fneu, spks
            ``(ROI, frame)``. Traces are ``F - neucoeff * Fneu`` when ``Fneu`` is given.
        neucoeff
            Share of the neuropil's trace that is subtracted.
        iscell
            ``(ROI,)`` or ``(ROI, 2)``: whether each is a cell, and with what probability.
        yoff, xoff
            Displacements along rows and columns ``(frame,)``, px.

        Raises
        ------
        EstimateError
            As for :class:`Estimate`, and when these are not of one run.
        """
        results = suite2p.read(
            stat=stat,
            shape=shape,
            F=F,
            Fneu=Fneu,
            neucoeff=neucoeff,
            spks=spks,
            iscell=iscell,
            yoff=yoff,
            xoff=xoff,
        )
        return cls(**results)._given_as("stat")

    def _given_as(self, form: FootprintForm) -> Estimate:
        """Note the form in which a reader was given A, as a user of that reader is to be advised."""
        if self._footprints is not None:
            self._footprints = self._footprints._replace(form=form)
        return self


def _read_footprints(A: FootprintsLike, image_shape: tuple[int, int] | None) -> Footprints:
    image_shape = None if image_shape is None else as_size(image_shape, "image_shape")
    if is_scipy_sparse(A) and image_shape is None:
        shape: object = getattr(A, "shape", None)
        raise EstimateError(f"A is scipy.sparse of shape {shape}: say image_shape=(height, width)")
    read = read_footprints(A, image_shape)
    if image_shape is None:
        return read  # they find their place when the recording is known
    return Footprints(read.on(image_shape), (None, None), read.form)


def _labels_in_common(
    A: SparseFootprints | None, traces: Rows | None, spikes: Rows | None
) -> NDArray[np.generic] | None:
    """Find the labels in whose order rows are put: those of the first of A, C and S that is there."""
    labels: dict[str, tuple[NDArray[np.generic] | None, Source]] = {} if A is None else {"A": (A.unit_id, "")}
    for name, rows in (("C", traces), ("S", spikes)):
        # Rows of another number are refused for that, which says more than their labels.
        if rows is not None and (A is None or len(rows.values) == len(A)):
            labels[name] = (rows.unit_id, rows.source)
    if not labels:
        return None
    leader = next(iter(labels))
    return common_order((leader, labels.pop(leader)[0]), labels)


def _in_order(
    rows: Rows | None, labels: NDArray[np.generic] | None, shape: tuple[int | None, int | None], name: str
) -> Floats | None:
    """Return traces or spikes in the order of the labels; refuse another number of rows or frames."""
    return None if rows is None else as_matrix(rows.in_order_of(labels, name), shape=shape, name=name)


def _named_cells(cells: ArrayLike, n_units: int) -> NDArray[np.intp]:
    """Return planted cells, one for each row, none twice."""
    named = np.asarray(cells)
    if named.ndim != 1 or len(named) != n_units:
        raise EstimateError(f"cells names {named.size} planted cells for {n_units} rows: give a list, one a row")
    if named.size and named.dtype.kind not in "iu":
        raise EstimateError(f"cells must be the numbers of planted cells, not {named.dtype} ({named[:5].tolist()})")
    if named.size and named.min() < 0:
        raise EstimateError(f"cells must be the numbers of planted cells, 0 or more, not {named.min()}")
    numbers, counts = np.unique(named, return_counts=True)
    if (counts > 1).any():
        raise EstimateError(f"cells names planted cells {numbers[counts > 1][:5].tolist()} more than once")
    return named.astype(np.intp)
