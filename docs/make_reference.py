"""Write the reference of spec fields, of the ground truth and of the contract, from what they describe.

Usage: python docs/make_reference.py
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pytest_calsim import Acquisition, load_preset, simulate
from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.steps.registry import step_classes
from pytest_calsim.testing.relations.edge_scenes import EDGE_SCENES
from pytest_calsim.testing.relations.relation import RELATIONS

REFERENCE = Path(__file__).parent / "reference"


# --- spec fields -----------------------------------------------------------------------------------------------------


def spec_page() -> str:
    """Every field of every model that a spec is made of."""
    lines = [
        "# Spec fields",
        "",
        "What a spec may say: `acquisition`, any of the steps below (each at most once), and `seed` (a whole number, "
        "0 or more). In a dotted path the first part is `acquisition`, `seed` or a step's kind: "
        "`acquisition.optics.na`, `brain_motion.max_shift_um`, `place_neurons.populations.0.depth_um`. "
        "Models, figures and sources: [physics](../physics.md).",
        "",
        "This page is written by `python docs/make_reference.py` from the models.",
        "",
    ]
    models: list[tuple[str, type[BaseModel]]] = [("acquisition", Acquisition)]
    own = {kind: step for kind, step in step_classes().items() if step.__module__.startswith("pytest_calsim.")}
    models += sorted(own.items())
    for name, model in models:
        lines += section(name, model, level=2)
    return "\n".join(lines).rstrip() + "\n"


def section(name: str, model: type[BaseModel], level: int) -> list[str]:
    """One model's table, and below it those of the models in its fields."""
    lines = ["#" * level + f" {name}", "", plain(inspect.getdoc(model) or "").partition("\n")[0], ""]
    if model.model_fields:
        lines += ["| field | values | default | |", "|---|---|---|---|"]
        said = ""
        for field, info in model.model_fields.items():
            text = meaning(model, field)
            lines.append(row(field, info, "as above" if text == said else text))
            said = text
    else:
        lines += ["No fields."]
    lines += [""]
    for field, info in model.model_fields.items():
        for inner in parts(info.annotation):
            lines += section(f"{name}.{field}", inner, level + 1)
    return lines


def row(field: str, info: FieldInfo, text: str) -> str:
    """One line of a table."""
    default = info.get_default(call_default_factory=True)
    if info.is_required():
        shown = "required"
    elif isinstance(default, BaseModel):
        shown = "as below"
    elif isinstance(default, tuple) and default and isinstance(default[0], BaseModel):
        shown = f"{len(default)}, see below" if len(default) > 1 else "one, as below"
    else:
        shown = f"`{default!r}`"
    cells = (f"`{field}`", values(info.annotation, info.metadata), shown, text)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def parts(annotation: Any) -> list[type[BaseModel]]:
    """The models within a field's type."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in parts(inner)]


def values(annotation: Any, metadata: Any) -> str:
    """What a field takes, in words."""
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        inner = [
            part for extra in arguments[1:] for part in (extra.metadata if isinstance(extra, FieldInfo) else [extra])
        ]
        return values(arguments[0], inner)
    if origin is Literal:
        return ", ".join(f"`{choice!r}`" for choice in arguments)
    if annotation is NoneType:
        return "`None`"
    bounds = {
        name: getattr(part, name) for part in metadata for name in ("gt", "ge", "lt", "le") if hasattr(part, name)
    }
    if annotation in (float, int):
        signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
        limits = [f"{sign} {number(bounds[name])}" for name, sign in signs.items() if name in bounds]
        return ", ".join(["whole", *limits] if annotation is int else limits)
    if annotation is bool:
        return "`True`, `False`"
    if annotation is str:
        return "text"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "a table"
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"a list: {values(arguments[0], ())}"
    if origin is tuple:
        return f"{len(arguments)} × ({values(arguments[0], ())})"
    return "; ".join(values(option, ()) for option in arguments)


def number(value: float) -> str:
    """A bound as a person writes it."""
    return f"{value:g}".replace("e+0", "e").replace("-", "−")


def meaning(model: type[BaseModel], field: str) -> str:
    """A field's line in the docstring of its model, or of the one it comes from."""
    for owner in model.__mro__:
        found = attributes(inspect.cleandoc(owner.__doc__ or "")).get(field)
        if found:
            return found
    raise LookupError(f"{model.__name__}.{field} is not described in a docstring")


def attributes(doc: str) -> dict[str, str]:
    """The numpydoc section ``Attributes`` by name."""
    _, _, body = doc.partition("Attributes\n----------\n")
    found: dict[str, str] = {}
    for names, text in re.findall(r"^(\S.*)\n((?:(?: {4}.*)?\n?)+)", body, re.M):
        for name in names.split(", "):
            found[name] = plain(" ".join(textwrap.dedent(text).split()))
    return found


def plain(text: str) -> str:
    """A docstring's text as Markdown."""
    return re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text).replace("``", "`")


# --- ground truth ----------------------------------------------------------------------------------------------------

MEANINGS = {
    "A_planted": "footprints in focus, unblurred; the continuous shape peaks at 1, a pixel holds its mean",
    "A_observed": "footprints behind optics, tissue and vessels, at zero shift; what estimates are matched with",
    "C": "fluorescence with its baseline: brightness · (1 + ΔF/F), averaged over the exposure; bleaching apart",
    "baseline": "`C` without spikes, where baselines drift (`cell_activity.baseline_fluctuation`)",
    "S": "spikes in each frame",
    "spike_time_s": "times of all spikes, cell after cell; `truth.spike_times` has them as one array a cell",
    "spike_start": "where each cell's spikes begin in `spike_time_s`; one more than there are cells",
    "assembly_member": "whether each planted cell belongs to each assembly",
    "assembly_event_time_s": "when each assembly's events begin, assembly after assembly",
    "assembly_event_start": "where each assembly's events begin in `assembly_event_time_s`; one more than there are",
    "shifts": "displacement of the tissue, + toward higher rows and columns; a corrector's output is the negative",
    "focal_depth_um": "depth in focus on the axis",
    "illumination": "relative excitation, 1 at its centre",
    "vignette": "relative collection, 1 at its centre",
    "leakage": "stray light, in units of a resting cell's in-focus brightness",
    "vessel_transmission": "share of light from right below each slab of vessels that passes it and all above",
    "vessel_depth_um": "mean depth of each slab",
    "neuropil_spatial": "mean brightness of each component, in units of a resting cell's; vessels included",
    "neuropil_temporal": "its time course, of expectation 1; it falls where the neuropil bleaches",
    "neuropil_patch_y_um": "centre of each patch of local background, from the optical axis",
    "neuropil_patch_x_um": "the same along columns",
    "neuropil_patch_sigma_um": "standard deviation of the Gaussian that it is",
    "neuropil_patch_flux": "its expected light, summed over all pixels of an infinite plane",
    "background_cell_depth_um": "depth of each cell out of focus, below the tissue's surface",
    "background_cell_y_um": "its centre, from the optical axis",
    "background_cell_x_um": "the same along columns",
    "background_cell_defocus_um": "how far it lies below the curved focal surface",
    "background_cell_amplitude": "its brightness at rest",
    "bleaching": "share of fluorophore left to each planted cell, 1 at the start",
    "prnu": "each pixel's relative responsivity",
    "dsnu_adu": "each pixel's own black level, relative, at the converter's bit depth",
    "hot_pixels": "pixels with extra dark current",
    "depth_um": "centre, below the tissue's surface",
    "y_um": "centre, from the optical axis, + toward higher rows",
    "x_um": "centre, from the optical axis, + toward higher columns",
    "radius_um": "radius of the soma",
    "population": "index in `place_neurons.populations`",
    "in_fov": "the centre lies in the field of view at zero shift",
    "amplitude": "brightness at rest",
    "rate_hz": "long-run mean spike rate",
    "defocus_um": "distance below the (curved) focal surface",
    "in_focus": "|defocus| within half the depth of field: a point's criterion, a label only",
    "soma_in_focus": "the disk of confusion is no larger than the soma: a label only",
    "core_fraction": "share of the light that tissue leaves in the core of the cell's image",
    "fov_fraction": "share of the image within the sensor at zero shift",
    "vessel_overlap_fraction": "share of the light of the core of the cell's image that vessels above it take",
    "n_spikes": "spikes in the recording",
    "snr": "peak signal-to-noise ratio of a matched filter for the typical transient on one frame, against all noise; "
    "inf without a sensor",
    "snr_peak": "the same for the largest transient in this recording, of the image without the local background, with "
    "other cells' transients as noise",
    "largest_transient": "largest rise of `C` over its rest, times what is not bleached",
    "snr_event": "`snr` over the frames of a typical transient",
    "overlap": "largest cosine with another cell's observed footprint",
    "background_fluctuation": "standard deviation of the neuropil under the cell, in typical transients",
    "neighbour_fluctuation": "standard deviation of other cells' transients as the cell's image reads them, in typical "
    "transients",
    "shown_fraction": "share of the image, squared, that every frame shows: 1 without motion",
    "unsaturated_fraction": "share of the image, squared, outside pixels that are full with every cell at rest",
    "detectable": "in the field of view, snr_peak ≥ 4.85 and shown_fraction ≥ 0.9: what recall counts",
    "detection_rule": "version of what `detectable` means; scorecards report it",
}

EVERYTHING = {
    "overrides": {
        "acquisition.duration_s": 0.5,
        "acquisition.image_sensor.prnu_fraction": 0.01,
        "acquisition.image_sensor.dsnu_adu": 1,
        "acquisition.image_sensor.hot_pixel_fraction": 0.01,
        "cell_activity.baseline_fluctuation": 0.1,
    },
    "add": [{"kind": kind} for kind in ("assemblies", "bleaching", "vasculature", "illumination", "brain_motion")],
}


def truth_page() -> str:
    """Every quantity of the truth of a recording that has them all."""
    recording = simulate(load_preset("tiny", **EVERYTHING))
    arrays = recording.truth.arrays
    unknown = sorted(arrays.keys() ^ MEANINGS.keys())
    if unknown:
        raise LookupError(f"not described here, or not in the truth: {', '.join(unknown)}")
    tables: dict[bool, list[str]] = {False: [], True: []}
    for name, text in MEANINGS.items():
        value = arrays[name]
        if isinstance(value, SparseFootprints):
            dims = ("unit_id", "height", "width")
            dtype = f"{value.data.dtype}, sparse"
            units = "1"
        else:
            dims = value.dims
            dtype = str(value.values.dtype)
            units = value.units
        column = dims == ("unit_id",)
        shown = f"| `{name}` | {dtype} | {units} | {text} |" if column else None
        axes = ", ".join(f"`{dim}`" for dim in dims) or "a number"
        tables[column].append(
            (shown or f"| `{name}` | {axes} | {dtype} | {units} | {text} |").replace("|defocus|", "\\|defocus\\|")
        )
    lines = [
        "# Ground truth",
        "",
        '`recording.truth` knows exactly what was simulated. `truth["name"]` gives any quantity as a DataArray with '
        "its units, `truth.names` lists what there is, and a loop over `truth` walks these names; "
        "the usual ones are attributes (`truth.C`, `truth.shifts`, ...). "
        "What the spec has no step for is `None` as an attribute. Arrays are read-only.",
        "",
        "How the parts make the movie: the closure formula in [physics](../physics.md).",
        "",
        "This page is written by `python docs/make_reference.py` from a recording that has everything.",
        "",
        "| name | axes | type | units | |",
        "|---|---|---|---|---|",
        *tables[False],
        "",
        "Axes: `unit_id` planted cells, `frame`, `height`, `width` the sensor's pixels, `shift_dim` = "
        '`["height", "width"]`, `component` layers of neuropil, `depth` slabs of vessels. Positions are (z, y, x) in '
        "µm, the optical axis at (0, 0), z down from the surface; in pixels of the sensor, from 0, a row is "
        "`y_um / pixel_size_um + (height - 1) / 2`, and a column likewise. A footprint set is a `SparseFootprints`: "
        "`truth.A_observed[3]` is one cell's dense image, `[ids]`, a slice or a mask select cells and keep their "
        "numbers, `.dense()` gives all of them as a DataArray, `.csr` a scipy matrix. All are valid "
        "[estimates](what-is-read-how.md).",
        "",
        "## Cells",
        "",
        "`truth.cells` is a pandas DataFrame with one row a planted cell. Cells whose centre lies outside the field of "
        "view are in it: they light the movie, and count in no recall.",
        "",
        "| column | type | units | |",
        "|---|---|---|---|",
        *tables[True],
        "",
        "`truth.detectable_subset()` gives the ids of the cells that a pipeline can be asked to find.",
    ]
    return "\n".join(lines) + "\n"


# --- the contract ----------------------------------------------------------------------------------------------------


_EFFECTS = {
    "none": "the same cells, pixels and traces",
    "moved": "the same, moved as the pixels were",
    "no worse": "no cell is lost, no trace is worse",
}
_TOLERANCES = {
    "same_noise": "same noise",
    "new_edges": "same noise, new edges",
    "other_noise": "other noise",
    "other_places": "other noise, other places",
}


def contract_page() -> str:
    """Every clause of the contract, and how far results may differ."""
    relations = [
        f"| {r.name} | {_EFFECTS[r.effect]} | {_TOLERANCES[r.tolerance.__name__]} | {r.reason} |" for r in RELATIONS
    ]
    scenes = [f"| {scene.name} | {scene.reason} |" for scene in EDGE_SCENES]
    lines = [
        "# The contract of a pipeline",
        "",
        "`PipelineContract(run)` holds any pipeline to the clauses below: `contract.check(clause, recording)` runs it, "
        'and raises `RecoveryError`; `contract.clauses` are for `pytest.mark.parametrize("clause", contract.clauses, '
        "ids=str)`. `run` takes a `Recording` and gives an `Estimate` or footprints. Without a recording the "
        "contract's own scene is used: eight well lit cells on 60 x 72 px for 10 s (`contract_scene()`). A pipeline "
        "that finds none of them keeps no relation: two results without a cell are alike whatever is wrong. How to: "
        "[property tests](../how-to/property-tests-with-hypothesis.md).",
        "",
        "This page is written by `python docs/make_reference.py` from the clauses.",
        "",
        "## Relations",
        "",
        "Two movies that differ in one thing. Compared are the cells that are detectable in the first one and as much "
        "in view in both.",
        "",
        "| changed | result | movies have | why |",
        "|---|---|---|---|",
        *relations,
        "",
        "`assert_invariant(baseline, changed)`, `assert_equivariant(...)` and `assert_monotone(outcomes)` are the "
        "assertions behind them, for relations of your own; an `Outcome` is a recording with what was found in it, and "
        "`pairs(spec, knob, values)` gives recordings that differ in one field alone. `recording.transformed(...)` "
        "crops, pads, mirrors, transposes, scales, retypes and chunks a movie, and its truth with it.",
        "",
        "### How far results may differ",
        "",
        "| movies have | cells found in one alone | footprints of a cell | traces of a cell | estimates of no cell |",
        "|---|---|---|---|---|",
        "| same noise | none | IoU ≥ 0.8 | r ≥ 0.99 | as many |",
        "| same noise, new edges | none beyond 10 px from an edge | IoU ≥ 0.8 | r ≥ 0.99 | ± 1 |",
        "| other noise | those with `snr_peak` < 4.85 + 3·√2 | IoU ≥ 0.4 | see below | ± 3·√(2n) |",
        "| other noise, other places | the same | not compared | the same | the same |",
        "",
        "The peak of a matched filter moves by 1 from noise to noise, the difference of two by √2; 4.85 is where cells "
        "begin to be detectable. Two traces of signal variance v over noise of variance 1 correlate by r = v/(v + 1), "
        "with a standard error of (1 − r²)/√frames: r may be 3 errors lower, with v from the cell's true trace and its "
        "`snr_peak`, and noise of twice the ideal deviation. n is the number of estimates of no cell in the baseline. "
        "Give a `Tolerance` of your own to the assertions for other bounds.",
        "",
        "## Scenes at the edge",
        "",
        "Whatever a pipeline finds there, it must give a result that can be right: no exception, finite, A and S not "
        "negative, pictures and frames of the right number. This is asked of every result, in the relations as well.",
        "",
        "| scene | where it comes from |",
        "|---|---|",
        *scenes,
        "",
        "## Why a cell was missed",
        "",
        "`explain_miss(run, recording, unit)` renders the recording again without one cause at a time, all else being "
        "the same to the draw, and runs the pipeline on it. `.causes` are those without which the cell is found, the "
        "largest gain first. More than one is a tie: each is enough.",
        "",
        "Background hides a cell by what moves in it, or by its shot noise. In the first case `background` stands "
        "alone; in the second more light helps as well, and both are listed.",
        "",
        "| cause | taken away by |",
        "|---|---|",
        "| louder neighbour | darkening the cell that adds most light there |",
        "| motion | dropping `brain_motion` |",
        "| too little light | up to 64 times the light, on a chip with as much larger a well (at most 100 000 e⁻) |",
        "| background | dropping `neuropil` and `background_cells` |",
        "| out of focus | focusing on the cell |",
        "| vessels | dropping `vasculature` |",
    ]
    return "\n".join(lines) + "\n"


PAGES = {"spec.md": spec_page, "truth.md": truth_page, "contract.md": contract_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())
