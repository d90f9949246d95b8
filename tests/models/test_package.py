"""Packages of published networks: their files, what cards tell of them, and their error lines."""

import ctypes
import io
import math
import tarfile
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from pipeline.base.errors import PipelineError
from pipeline.models import MODELS, package
from pipeline.models.cost import multiply_adds
from pipeline.models.package import Package

TINY = Package("tiny-denoiser", "1.0", ("a.onnx", "b.onnx"), "MIT", "its own", 10, 100.0)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """`installed(version, contents)`: which files the package has from now on; none at first."""
    present = {}

    def distribution(name):
        if name not in present:
            raise PackageNotFoundError(name)
        return present[name]

    def install(version, contents):
        folder = tmp_path / version
        folder.mkdir(exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        files = [folder / name for name in contents]
        present[TINY.name] = SimpleNamespace(version=version, files=files, locate_file=str)

    monkeypatch.setattr(package, "distribution", distribution)
    return install


def refused(function, *arguments):
    with pytest.raises(PipelineError) as error:
        function(*arguments)
    return str(error.value)


FILES = {"a.onnx": b"weights", "b.onnx": b"more"}


def test_a_package_is_found_once_it_is_installed(installed):
    line = "tiny-denoiser not installed: pip install --no-deps tiny-denoiser==1.0"
    assert TINY.missing == line == refused(TINY.file, "a.onnx") == refused(TINY.facts)
    installed("1.0", FILES)
    assert TINY.missing is None and TINY.file("b.onnx").read_bytes() == b"more"


def test_a_module_that_runs_it_is_needed_too(installed, monkeypatch):
    installed("1.0", FILES)
    needing = replace(TINY, needs=("onnxruntime",))
    monkeypatch.setattr(package, "find_spec", lambda name: None)
    assert needing.missing == "onnxruntime not installed: pip install onnxruntime"
    monkeypatch.undo()
    assert replace(TINY, name="numpy", needs=("onnxruntime",)).missing is None


def test_a_version_without_the_file_is_told_of(installed):
    installed("2.0", {"c.onnx": b""})
    assert refused(TINY.file, "a.onnx") == (
        "tiny-denoiser 2.0 is installed without a.onnx: pip install --no-deps tiny-denoiser==1.0"
    )
    installed("1.0", FILES)
    assert TINY.file("a.onnx").is_file()


def test_a_card_tells_of_the_package_and_holds_to_its_files(installed):
    installed("1.0", FILES)
    facts = TINY.facts()
    assert facts == {
        "package": "tiny-denoiser",
        "version": "1.0",
        "sha256": {name: sha256(content).hexdigest() for name, content in FILES.items()},
        "licence": "MIT",
        "training_data": "its own",
    }
    installed("2.0", FILES)  # with the same weights
    TINY.check(facts, "model.safetensors")
    installed("2.1", FILES | {"b.onnx": b"changed"})
    assert refused(TINY.check, facts, "model.safetensors") == (
        "model.safetensors: tells of tiny-denoiser 1.0, and 2.1 with other files is installed;"
        " pip install --no-deps tiny-denoiser==1.0, or delete it and run again"
    )
    TINY.check(TINY.facts(), "model.safetensors")  # once it is written again
    installed("1.0", FILES)
    TINY.check(facts, "model.safetensors")  # or with that version


# What the packages hold, counted from their files


def of(name):
    found = MODELS[name].package
    if found.missing:
        pytest.skip(found.missing)
    return found


def dtln_matrices(found):
    graphs = [onnx.load(found.file(name)).graph for name in found.files]
    arrays = [numpy_helper.to_array(each) for graph in graphs for each in graph.initializer]
    return [array for array in arrays if array.dtype == np.float32 and array.ndim]


def test_the_size_of_dtln_is_that_of_its_files():
    found = of("dtln")
    arrays = dtln_matrices(found)
    # ONNX has two biases a recurrent layer, of which Keras leaves one zero.
    unused = 2 * 512
    assert found.parameters == sum(array.size for array in arrays) - unused
    products = sum(a.size for a in arrays if a.ndim > 1 and a.shape != (1, 1024))
    assert found.multiply_adds == pytest.approx(products * 16000 / 128, rel=1e-3)


def deepfilter_products(content, frames=10):
    """Parameters of an ONNX file, and its multiply-adds a frame, by shapes of a pass."""
    model = onnx.load(io.BytesIO(content))
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    values = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer} | {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in model.graph.node
        if node.op_type == "Constant"
    }
    size = sum(v.size for v in values.values() if v.dtype == np.float32 and v.ndim)
    given = {
        each.name: np.ones([d.dim_value or frames for d in each.type.tensor_type.shape.dim], "f4")
        for each in model.graph.input
    }
    del model.graph.output[:]
    names = [name for node in nodes for name in node.output if name]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    values |= given | dict(zip(names, session.run(names, given), strict=True))
    total = 0
    for node in nodes:
        one, other, *rest = (values.get(name) for name in (*node.input, "", ""))
        match node.op_type:
            case "Conv":
                total += values[node.output[0]].size * math.prod(other.shape[1:])
            case "ConvTranspose":
                total += one.size * math.prod(other.shape[1:])
            case "GRU":
                total += frames * (other.size + rest[0].size)
            case "MatMul" | "Einsum":
                total += frames * other.size
    return size, total / frames


def test_the_size_of_deepfilternet_is_that_of_its_files():
    found = of("deepfilternet3")
    with tarfile.open(found.file(found.files[0])) as archive:
        parts = [archive.extractfile(n).read() for n in archive.getnames() if n.endswith(".onnx")]
    sizes, products = zip(*map(deepfilter_products, parts), strict=True)
    assert found.parameters == sum(sizes) == pytest.approx(2.13e6, rel=0.01)  # of the paper
    assert found.multiply_adds == pytest.approx(100 * sum(products), rel=1e-3)


class Array(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("size", ctypes.c_int),
        ("data", ctypes.c_void_p),
    ]


def test_the_size_of_rnnoise_is_that_of_its_library():
    found = of("rnnoise")
    library = ctypes.CDLL(str(found.file(found.files[0])))
    sizes = {}
    for array in (Array * 1000).in_dll(library, "rnnoise_arrays"):
        if not array.name:
            break
        sizes[array.name.decode()] = array.size
    weights = sum(size for name, size in sizes.items() if name.endswith("_weights_int8"))
    weights += sum(  # those that are not quantised
        size // 4
        for name, size in sizes.items()
        if name.endswith("_float") and name.replace("_float", "_int8") not in sizes
    )
    biases = sum(size // 4 for name, size in sizes.items() if name.endswith("_bias"))
    assert found.parameters == weights + biases
    assert found.multiply_adds == pytest.approx(100 * weights, rel=2e-3)


@pytest.mark.parametrize("name", ["rnnoise", "dtln"])
def test_the_cost_is_that_of_the_package_and_of_resampling(name):
    found = of(name)
    [rate] = MODELS[name].sample_rates
    assert multiply_adds(name, {}, 1, rate) == found.multiply_adds
    assert multiply_adds(name, {}, 1, 8000) > found.multiply_adds
