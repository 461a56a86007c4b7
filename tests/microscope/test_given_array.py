"""Arrays within a spec: by content, from memory or from files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pydantic import ValidationError
from scipy.io import savemat
from scipy.sparse import csr_matrix

from pytest_calsim.microscope.given_array import GivenArray


def read(value):
    return GivenArray.model_validate(value)


def said(value):
    with pytest.raises(ValidationError) as caught:
        read(value)
    (error,) = caught.value.errors()
    assert "\n" not in error["msg"]
    return error["msg"]


VALUES = np.arange(24.0).reshape(2, 3, 4) / 7


@given(arrays(np.float32, array_shapes(min_dims=0, min_side=0), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_values_come_back_to_the_bit(values):
    held = read(values)
    assert held.values.dtype == np.float32
    assert held.values.tobytes() == values.tobytes()
    assert held.values.shape == values.shape
    again = GivenArray.model_validate_json(held.model_dump_json())
    assert again == held
    assert hash(again) == hash(held)
    assert again.values.tobytes() == values.tobytes()


def test_content_alone_counts(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    savemat(tmp_path / "one.mat", {"A": VALUES})
    savemat(tmp_path / "two.mat", {"A": VALUES, "b": [1.0]})
    held = [
        read(VALUES),
        read(VALUES.tolist()),
        read(np.asfortranarray(VALUES)),
        read(str(tmp_path / "a.npy")),
        read(tmp_path / "one.mat"),
        read(f"{tmp_path / 'two.mat'}:A"),
    ]
    assert len(set(held)) == 1
    assert read(VALUES + 1) != held[0]
    assert read(VALUES.reshape(6, 4)) != held[0]
    (tmp_path / "a.npy").unlink()
    np.testing.assert_array_equal(held[3].values, VALUES.astype(np.float32))


def test_tables_and_sparse_matrices_are_read(tmp_path):
    (tmp_path / "t.csv").write_text("1,2,3\n4,5,6\n")
    assert read(tmp_path / "t.csv").values.tolist() == [[1, 2, 3], [4, 5, 6]]
    savemat(tmp_path / "s.mat", {"S": csr_matrix(np.eye(3))})
    assert read(tmp_path / "s.mat").values.tolist() == np.eye(3).tolist()


def test_values_are_read_only_and_the_repr_is_short():
    held = read(np.random.default_rng(0).random((100, 100)))
    with pytest.raises(ValueError, match="read-only"):
        held.values[0, 0] = 1
    assert repr(held).startswith("GivenArray(shape=(100, 100), sha256='")
    assert len(repr(held)) < 70


def test_what_cannot_be_read_says_how(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.npy").write_bytes(b"no array")
    savemat("two.mat", {"A": VALUES, "b": [1.0]})
    np.save("objects.npy", np.array([{}], object), allow_pickle=True)
    assert f"no file 'gone.npy' (looked for in '{tmp_path}')" in said("gone.npy")
    assert "'a.tif' has no known ending: give an array, or the path of a .npy, .mat, .csv or .txt file" in said("a.tif")
    assert "'bad.npy' cannot be read" in said("bad.npy")
    assert "'objects.npy' cannot be read: Object arrays cannot be loaded" in said("objects.npy")
    assert "it holds A, b: name one, as in 'file.mat:name'" in said("two.mat")
    assert "it holds no array 'C', only A, b: name one of these" in said("two.mat:C")
    assert "the value at [1] is nan; all must be finite" in said([0, np.nan])
    assert "is 1e+39; all must be finite in float32" in said([[1e39]])
    assert "[[1, 2], [3]] is no array of real numbers: give one, nested lists or a path" in said([[1, 2], [3]])
    assert "['a'] is no array of real numbers: give one, nested lists or a path" in said(["a"])
    assert "no array of real numbers" in said(np.ones(2, complex))
    assert "no array of real numbers" in said({1, 2})
    assert "that fill shape = (3,); give an array or a file" in said({"shape": (3,), "data": read(VALUES).data})
    assert "in base64" in said({"shape": (3,), "data": "§"})
    assert "in base64" in said({"shape": (3,), "data": "AAAA"})
