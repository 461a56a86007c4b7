"""Layouts of arrays, against zarr itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_calsim.errors import StoreError
from pytest_calsim.store.zarr_array import ArrayLayout, byte_view

SHAPES = st.lists(st.integers(0, 300), max_size=3).map(tuple)
TYPES = st.sampled_from(["|u1", "<u2", "<i8", "<f4", "<f8", "|b1"])


@given(shape=SHAPES, dtype=TYPES, data=st.data())
def test_chunks_make_up_the_array(shape: tuple[int, ...], dtype: str, data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, max(0, len(shape) - 1)))
    layout = ArrayLayout.of(shape, np.dtype(dtype), axis)
    again = ArrayLayout.from_metadata(layout.metadata())
    assert again == layout or (layout.n_chunks <= 1 and again.metadata() == layout.metadata())
    if shape and layout.n_chunks:
        rows = [layout.rows(chunk) for chunk in range(layout.n_chunks)]
        assert [i for r in rows for i in range(r.start, r.stop)] == list(range(shape[axis]))
        assert len({layout.chunk_name(chunk) for chunk in range(layout.n_chunks)}) == layout.n_chunks
    if layout.n_chunks:
        array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
        out = np.zeros_like(array)
        for chunk in range(layout.n_chunks):
            stored = np.frombuffer(layout.encode(array[layout.part(chunk)]), dtype).reshape(layout.chunk_shape)
            own = out[layout.part(chunk)]
            own[...] = stored[tuple(map(slice, own.shape))]
        np.testing.assert_array_equal(out, array)
    chunk_bytes = np.prod(layout.chunk_shape) * np.dtype(dtype).itemsize
    assert chunk_bytes <= 4 << 20 or layout.chunk_rows == 1


@pytest.mark.parametrize(
    ("shape", "n_chunks"),
    [
        ((3, 64, 64), 1),  # less than 256 kB
        ((100, 64, 64), 2),  # 400 kB
        ((4000, 64, 96), 16),  # 25 MB
        ((600, 608, 608), 55),  # 222 MB: 11 frames are the most in 4 MB
        ((4, 4096, 4096), 4),  # frames of 16 MB
    ],
)
def test_chunks_are_some_for_all_cores_and_neither_small_nor_large(shape: tuple[int, ...], n_chunks: int) -> None:
    assert ArrayLayout.of(shape, np.dtype(np.uint8)).n_chunks == n_chunks


@given(dtype=TYPES, rows=st.integers(1, 4), order=st.sampled_from("CF"))
def test_a_chunk_is_the_arrays_bytes_and_zeros(dtype: str, rows: int, order: str) -> None:
    layout = ArrayLayout((9, 3), dtype, 4)
    block = np.asarray(np.arange(rows * 3).reshape(rows, 3) % 2, dtype, order=order)
    data = bytes(layout.encode(block))
    assert data == np.ascontiguousarray(block).tobytes() + bytes((4 - rows) * 3 * np.dtype(dtype).itemsize)


@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 0, 3)])
def test_a_byte_view_shares_memory(shape: tuple[int, ...]) -> None:
    array = np.ones(shape, np.uint16)
    view = byte_view(array)
    assert len(view) == array.nbytes
    if len(view):
        view[0] = 7
        assert array.flat[0] == 0x0007


@pytest.mark.parametrize("dtype", ["O", "S3", "U3", "c16", "M8[s]", "V4"])
def test_what_would_need_pickle_is_refused(dtype: str) -> None:
    with pytest.raises(StoreError, match="numbers and booleans can"):
        ArrayLayout.of((3,), np.dtype(dtype))


@pytest.mark.parametrize(
    "change",
    [
        {"compressor": {"id": "zlib", "level": 1}},
        {"chunks": [4, 1]},
        {"order": "F"},
        {"filters": [{"id": "delta"}]},
        {"zarr_format": 3},
    ],
)
def test_another_layout_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="compressed, or chunked along more than one axis"):
        ArrayLayout.from_metadata({**ArrayLayout((9, 3), "<f4", 4).metadata(), **change})
