import json
import os
import resource
import shutil
import time
from pathlib import Path
from random import Random

import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil.mil import Builder as mb
from coremltools.proto import MIL_pb2, Model_pb2

from tests.support.damage import damage_bytes, damage_proto
from tests.support.mil_programs import build_model
from tests.support.traced_models import convert_traced, tensor
from validation import mil_runtime
from validation.mil_runtime import MilRuntimeError, ModelError, UnsupportedOperationError

MODEL_FILE = "Data/com.apple.CoreML/model.mlmodel"
WEIGHT_FILE = "Data/com.apple.CoreML/weights/weight.bin"
X = np.random.default_rng(0).normal(0, 1, (1, 3, 8, 8)).astype(np.float32)
LONGEST = 20  # seconds for one damaged package: a hang, by far
LARGEST = 4 << 20  # KiB more than before, for any of them


def network(x):
    """Build a convolution with weights in a file, and operators whose parameters decide shapes."""
    rng = np.random.default_rng(1)
    weight = rng.normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    x = mb.conv(x=x, weight=weight, strides=[2, 2], pad_type="custom", pad=[1, 1, 1, 1])
    x = mb.relu(x=x, name="activated")  # (1, 4, 4, 4)
    x = mb.pad(x=x, pad=[0, 1, 1, 0], mode="constant", constant_val=0.5)  # (1, 4, 5, 5)
    x = mb.max_pool(x=x, kernel_sizes=[2, 2], strides=[1, 1], pad_type="valid")  # (1, 4, 4, 4)
    x = mb.upsample_nearest_neighbor(x=x, scale_factor_height=2, scale_factor_width=1)
    x = mb.reshape(x=x, shape=[2, 64], name="flat")
    large = mb.greater(x=mb.reduce_max(x=x), y=1.0)
    x = mb.cond(
        pred=large,
        _true_fn=lambda: mb.mul(x=x, y=0.5, name="halved"),
        _false_fn=lambda: mb.add(x=x, y=1.0, name="raised"),
        name="chosen",
    )
    x = mb.matmul(x=x, y=rng.normal(0, 1, (64, 5)).astype(np.float32))
    x = mb.tile(x=mb.softmax(x=x, axis=-1), reps=[1, 2])  # (2, 10)
    x = mb.slice_by_index(x=x, begin=[0, 1], end=[2, 9], stride=[1, 2])  # (2, 4)
    x = mb.concat(values=[x, mb.fill(shape=[2, 3], value=2.0)], axis=1)  # (2, 7)
    x = mb.gather(x=x, indices=mb.range_1d(start=0, end=6, step=2), axis=1)
    return mb.transpose(x=x, perm=[1, 0], name="y")


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """``network`` as a package; tests must not change it."""
    path = tmp_path_factory.mktemp("sound") / "network.mlpackage"
    build_model(network, {"x": X}).save(str(path))
    return path


@pytest.fixture
def package(sound, tmp_path) -> Path:
    """A copy of the package, which the test may damage."""
    return shutil.copytree(sound, tmp_path / "network.mlpackage")


def edit(package: Path, change) -> None:
    """Change the model's proto in place."""
    specification = read_model(package)
    change(specification)
    (package / MODEL_FILE).write_bytes(specification.SerializeToString())


def read_model(package: Path) -> Model_pb2.Model:
    specification = Model_pb2.Model()
    specification.ParseFromString((package / MODEL_FILE).read_bytes())
    return specification


def block_of(specification: Model_pb2.Model) -> MIL_pb2.Block:
    function = specification.mlProgram.functions["main"]
    return function.block_specializations[function.opset]


def operation(specification: Model_pb2.Model, kind: str) -> MIL_pb2.Operation:
    return next(item for item in block_of(specification).operations if item.type == kind)


def weights_in_file(specification: Model_pb2.Model) -> list[MIL_pb2.Value]:
    values = [
        item.attributes["val"]
        for item in block_of(specification).operations
        if item.type == "const"
    ]
    return [value for value in values if value.WhichOneof("value") == "blobFileValue"]


def refuse(package: Path, message: str, error: type = ModelError) -> None:
    with pytest.raises(error, match=message) as caught:
        mil_runtime.load(package)
    assert "\n" not in str(caught.value)


def rewrite(package: Path, file: str, change) -> None:
    path = package / file
    path.write_bytes(change(path.read_bytes()))


def rewrite_manifest(package: Path, change) -> None:
    path = package / "Manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def root(manifest: dict) -> dict:
    return manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]


def test_the_sound_package_runs(sound):
    prediction = mil_runtime.load(sound).predict({"x": X})
    assert prediction["y"].shape == (3, 2)


# Files.


def test_what_is_not_there_is_refused(tmp_path):
    refuse(tmp_path / "none.mlpackage", "is missing")


def test_a_folder_that_is_no_package_is_refused(tmp_path):
    refuse(tmp_path, r"Manifest\.json: is missing")


def test_a_compiled_model_is_refused(tmp_path):
    (tmp_path / "a.mlmodelc").mkdir()
    refuse(tmp_path / "a.mlmodelc", "is compiled for a device; expected the .mlpackage")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (MODEL_FILE, "holds no model"),
        (WEIGHT_FILE, "cannot be read"),
        ("Manifest.json", "is not valid JSON"),
    ],
)
def test_empty_files_are_refused(package, file, message):
    (package / file).write_bytes(b"")
    refuse(package, message)


@pytest.mark.parametrize("file", [MODEL_FILE, WEIGHT_FILE, "Manifest.json"])
@pytest.mark.parametrize("instead", ["nothing", "folder", "pipe"])
def test_what_is_no_file_is_refused(package, file, instead):
    (package / file).unlink()
    if instead == "folder":
        (package / file).mkdir()
    elif instead == "pipe":
        os.mkfifo(package / file)
    refuse(package, "is missing, or is not a file")


def test_files_too_large_to_be_real_are_refused(package):
    os.truncate(package / MODEL_FILE, 3 << 30)  # without taking room on disk
    refuse(package, "has more than 2147483648 bytes")


def test_any_other_file_is_refused(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    refuse(path, "is not a Core ML model")


# The manifest.


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"text"', "{}", '{"rootModelIdentifier": "a"}', "[" * 100_000, "\udcff"]
    + ['{"itemInfoEntries": [], "rootModelIdentifier": []}']
    + ['{"itemInfoEntries": {"a": {}}, "rootModelIdentifier": "a"}']
    + ['{"itemInfoEntries": {"a": {"path": 7}}, "rootModelIdentifier": "a"}']
    + ['{"itemInfoEntries": {"a": 7}, "rootModelIdentifier": "a"}'],
)
def test_manifests_that_name_no_model_are_refused(package, text):
    (package / "Manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    refuse(package, r"Manifest\.json: (is not valid JSON|names no root model)")


@pytest.mark.parametrize(
    "path",
    ["../../other/model.mlmodel", "/etc/hostname", "com.apple.CoreML/../../../a", "..", "\\udead"]
    + ["a" * 5000, "a\\u0000b", "", ".", "com.apple.CoreML", "a\\nb"],
)
def test_manifests_that_lead_elsewhere_are_refused(package, path):
    outside = package.parent / "other"
    outside.mkdir()
    shutil.copy(package / MODEL_FILE, outside / "model.mlmodel")
    rewrite_manifest(package, lambda m: root(m).update(path="PATH"))
    rewrite(package, "Manifest.json", lambda text: text.replace(b"PATH", path.encode()))
    refuse(package, "leaves the package|is missing|names no root|cannot be")


@pytest.mark.parametrize("linked", ["Data", "Data/com.apple.CoreML", MODEL_FILE])
def test_links_that_leave_the_package_are_refused(package, linked):
    outside = package.parent / "outside"
    (package / linked).rename(outside)
    (package / linked).symlink_to(outside)
    refuse(package, "leaves the package")


def test_links_to_themselves_are_refused(package):
    (package / MODEL_FILE).unlink()
    (package / MODEL_FILE).symlink_to(package / MODEL_FILE)
    refuse(package, "cannot be resolved|is missing|cannot be read")


# The weight file.


@pytest.mark.parametrize("kept", [1, 63, 64, 100, 128, 200, -1])
def test_weight_files_that_were_cut_off_are_refused(package, kept):
    rewrite(package, WEIGHT_FILE, lambda data: data[:kept])
    refuse(package, r"weight\.bin: ")


def first_record(package: Path) -> int:
    return min(value.blobFileValue.offset for value in weights_in_file(read_model(package)))


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, 0xDEADBEEE, "is not a record"),
        (4, 1, "holds fp16, the program expects fp32"),
        (4, 99, "holds type 99"),
        (8, 100, "has 100 bytes, the program expects"),
        (8, 1 << 63, "needs .* bytes of a file of"),
        (8, 1 << 30, "needs .* bytes of a file of"),
        (16, (1 << 64) - 64, "needs .* bytes of a file of"),
        (16, 1 << 40, "needs .* bytes of a file of"),
        (24, 8, "the program expects"),
        (24, 1 << 60, "the program expects"),
    ],
)
def test_records_that_are_not_what_they_should_be_are_refused(package, at, value, message):
    start = first_record(package) + at
    size = 4 if at < 8 else 8
    rewrite(
        package,
        WEIGHT_FILE,
        lambda data: data[:start] + value.to_bytes(size, "little") + data[start + size :],
    )
    refuse(package, message)


def test_weight_files_of_another_version_are_refused(package):
    rewrite(package, WEIGHT_FILE, lambda data: data[:4] + b"\x01" + data[5:])
    refuse(package, "of storage version 1, expected 2")


@pytest.mark.parametrize("offset", [0, 1, 63, 1 << 20, 1 << 40, (1 << 64) - 64, (1 << 64) - 1])
def test_records_outside_the_file_are_refused(package, offset):
    edit(
        package,
        lambda model: setattr(weights_in_file(model)[0].blobFileValue, "offset", offset),
    )
    refuse(package, "is outside the file or not aligned|is not a record")


@pytest.mark.parametrize(
    "name",
    ["@model_path/../../../outside.bin", "/etc/hostname", "@model_path//etc/hostname", "weight.bin"]
    + ["", "@model_path/", "@model_path/a\nb", "@model_path/\0", "@model_path/" + "a" * 5000]
    + ["../weights/weight.bin", "@model_path/weights/../../../../outside.bin"],
)
def test_weights_outside_the_package_are_refused(package, name):
    shutil.copy(package / WEIGHT_FILE, package.parent / "outside.bin")
    edit(
        package,
        lambda model: setattr(weights_in_file(model)[0].blobFileValue, "fileName", name),
    )
    refuse(package, "outside the package|leaves the package|not a file|cannot be")


def test_weights_behind_a_link_that_leaves_the_package_are_refused(package):
    outside = package.parent / "outside.bin"
    (package / WEIGHT_FILE).rename(outside)
    (package / WEIGHT_FILE).symlink_to(outside)
    refuse(package, "the weight file .* leaves the package")


# The model.


def test_models_that_were_cut_off_are_refused(package):
    data = (package / MODEL_FILE).read_bytes()
    for kept in [*range(0, 64), *range(64, len(data), 97), len(data) - 1]:
        (package / MODEL_FILE).write_bytes(data[:kept])
        refuse(package, "is not a Core ML model|holds no model|the function takes|promises|damaged")


def test_other_kinds_of_model_are_refused(package):
    edit(package, lambda model: model.neuralNetwork.SetInParent())
    refuse(package, 'is a neuralNetwork, expected an ML Program; .*convert_to="mlprogram"')


def test_newer_specifications_are_refused(package):
    edit(package, lambda model: setattr(model, "specificationVersion", 11))
    refuse(package, "of specification version 11, expected at most 10")


def set_opset(model):
    model.mlProgram.functions["main"].opset = "CoreML99"


def rename_operator(model):
    operation(model, "relu").type = "relu_of_tomorrow"


def use_undefined(model):
    operation(model, "relu").inputs["x"].arguments[0].name = "nowhere"


def use_itself(model):
    item = operation(model, "relu")
    item.inputs["x"].arguments[0].name = item.outputs[0].name


def use_a_later_value(model):
    later = operation(model, "softmax").outputs[0].name
    operation(model, "relu").inputs["x"].arguments[0].name = later


def use_a_value_of_a_branch(model):
    operation(model, "softmax").inputs["x"].arguments[0].name = "halved"


def define_twice(model):
    operation(model, "softmax").outputs[0].name = operation(model, "relu").outputs[0].name


def define_an_input(model):
    operation(model, "relu").outputs[0].name = "x"


def drop_block(model):
    model.mlProgram.functions["main"].block_specializations.clear()


def drop_branch(model):
    del operation(model, "cond").blocks[1]


def drop_function(model):
    model.mlProgram.functions.clear()


def drop_parameter(model):
    del operation(model, "conv").inputs["weight"]


def add_parameter(model):
    item = operation(model, "relu")
    item.inputs["slope"].CopyFrom(item.inputs["x"])


def bind_nothing(model):
    operation(model, "relu").inputs["x"].arguments[0].Clear()


def bind_twice(model):
    arguments = operation(model, "relu").inputs["x"].arguments
    arguments.append(arguments[0])


def bind_a_number(model):
    item = operation(model, "softmax")
    item.inputs["x"].CopyFrom(item.inputs["axis"])


def drop_output(model):
    del operation(model, "relu").outputs[:]


def drop_type(model):
    operation(model, "relu").outputs[0].type.Clear()


def empty_name(model):
    operation(model, "relu").outputs[0].name = ""


def wrong_block_output(model):
    block_of(model).outputs[0] = "nowhere"


def no_block_output(model):
    del block_of(model).outputs[:]


def wrong_rank(model):
    operation(model, "relu").outputs[0].type.tensorType.rank = 7


def unknown_data_type(model):
    operation(model, "relu").outputs[0].type.tensorType.dataType = 12345


def too_many_elements(model):
    value = operation(model, "const").attributes["val"].immediateValue.tensor
    value.ints.values.append(1)


def nest(depth):
    def change(model):
        outermost = operation(model, "cond")
        nested = MIL_pb2.Operation()
        nested.CopyFrom(outermost)
        for _ in range(depth):
            outer = MIL_pb2.Operation()
            outer.CopyFrom(outermost)
            outer.blocks[0].operations.add().CopyFrom(nested)
            nested = outer
        outermost.CopyFrom(nested)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_opset, "has the opset 'CoreML99', expected one of CoreML5, CoreML6, CoreML7, CoreML8"),
        (use_undefined, "relu 'activated' uses 'nowhere', which is not defined before it"),
        (use_itself, "relu 'activated' uses 'activated', which is not defined before it"),
        (use_a_later_value, "relu 'activated' uses '.*', which is not defined before it"),
        (use_a_value_of_a_branch, "softmax .* uses 'halved', which is not defined before it"),
        (define_twice, "'activated' is defined a second time"),
        (define_an_input, "'x' is defined a second time"),
        (drop_block, "has no block for its opset"),
        (drop_function, "has no function 'main'"),
        (drop_parameter, "conv .* lacks weight"),
        (add_parameter, "relu 'activated': has no parameter slope"),
        (bind_nothing, "relu 'activated': x: is bound to nothing"),
        (drop_type, "relu 'activated': 'activated': has no type"),
        (empty_name, "a value has no name"),
        (wrong_block_output, "its outputs uses 'nowhere'"),
        (no_block_output, "promises y, which the function does not compute"),
        (wrong_rank, "has rank 7 and 4 dimensions"),
        (unknown_data_type, "has the data type 12345"),
        (too_many_elements, "damaged"),
        (nest(40), "nested more than 32 deep"),
        (nest(60), "is not a Core ML model"),  # protobuf reads 100 messages deep, two per block
    ],
)
def test_malformed_programs_are_refused(package, change, message):
    edit(package, change)
    refuse(package, message)


def test_unknown_operators_are_named_with_their_place(package):
    edit(package, rename_operator)
    refuse(
        package,
        r"function main, operation \d+, relu_of_tomorrow 'activated': there is no operator",
        UnsupportedOperationError,
    )


@pytest.mark.parametrize("change", [drop_branch, bind_twice, bind_a_number, drop_output])
def test_programs_that_cannot_be_computed_are_refused_at_the_latest_then(package, change):
    edit(package, change)
    with pytest.raises(MilRuntimeError) as caught:
        mil_runtime.load(package).predict({"x": X * 0})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1 << 20, 1 << 40, (1 << 64) - 1])
def test_absurd_shapes_are_refused(package, size):
    def resize(model):
        weight = weights_in_file(model)[0]
        weight.type.tensorType.dimensions[0].constant.size = size

    edit(package, resize)
    refuse(package, "expects .* elements|is too large|needs .* bytes")


def test_shapes_of_many_axes_are_refused(package):
    def deepen(model):
        value = weights_in_file(model)[0].type.tensorType
        for _ in range(200):
            value.dimensions.add().constant.size = 1
        value.rank = len(value.dimensions)

    edit(package, deepen)
    refuse(package, "is too large")


def test_outputs_of_another_shape_than_declared_are_refused(package):
    def shrink(model):
        operation(model, "relu").outputs[0].type.tensorType.dimensions[3].constant.size = 3

    edit(package, shrink)
    program = mil_runtime.load(package)
    with pytest.raises(
        MilRuntimeError, match=r"gives the shape \[1, 4, 4, 4\], but the program declares fp32\["
    ):
        program.predict({"x": X})


def test_names_of_several_lines_are_reported_in_one(package):
    def rename(model):
        operation(model, "relu").type = "a\nb\u2028c"

    edit(package, rename)
    refuse(package, "a b c")


# Anything else.


def mutate(package: Path, random: Random) -> str:
    """Damage a package in one place, and return which place and how."""
    kind = random.choice(("proto", "parameter", MODEL_FILE, WEIGHT_FILE, "Manifest.json"))
    if kind not in ("proto", "parameter"):
        rewrite(package, kind, lambda data: damage_bytes(data, random))
        return kind
    model = read_model(package)
    what = damage_proto(model if kind == "proto" else random_parameter(model, random), random)
    (package / MODEL_FILE).write_bytes(model.SerializeToString())
    return what


def random_parameter(model: Model_pb2.Model, random: Random) -> MIL_pb2.TensorValue:
    """Return the value of one of the program's small constants, which operators use without a check."""
    values = [
        item.attributes["val"].immediateValue.tensor
        for item in block_of(model).operations
        if item.type == "const"
    ]
    return random.choice([value for value in values if value.ByteSize()])


def run_damaged(sound: Path, folder: Path, seed: int) -> bool:
    """Damage a package, and return whether it still works. If it does not, it must be refused properly."""
    package = shutil.copytree(sound, folder / "damaged.mlpackage")
    what = mutate(package, Random(seed))
    started = time.monotonic()
    try:
        mil_runtime.load(package).predict({"x": X})
        works = True
    except MilRuntimeError as error:
        works = False
        assert len(str(error).splitlines()) == 1, f"seed {seed}, {what}: {error}"
    except Exception as error:
        raise AssertionError(f"seed {seed}, {what}: {type(error).__name__}: {error}") from error
    assert time.monotonic() - started < LONGEST, f"seed {seed}, {what}"
    shutil.rmtree(package)
    return works


def run_all_damaged(sound: Path, folder: Path, seeds: range) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    working = sum(run_damaged(sound, folder, seed) for seed in seeds)
    assert 0 < working < len(seeds)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < LARGEST


def test_damaged_packages_work_or_are_refused(sound, tmp_path):
    run_all_damaged(sound, tmp_path, range(300))


@pytest.mark.slow
def test_many_damaged_packages_work_or_are_refused(sound, tmp_path):
    run_all_damaged(sound, tmp_path, range(1000, 7000))


def stateful():
    @mb.program(
        input_specs=[
            mb.TensorSpec((2, 3), ct.converters.mil.mil.types.fp16),
            mb.StateTensorSpec((2, 3), ct.converters.mil.mil.types.fp16),
        ],
        opset_version=ct.target.iOS18,
    )
    def program(x, total):
        return mb.coreml_update_state(
            state=total, value=mb.add(x=mb.read_state(input=total), y=x), name="y"
        )

    return ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS18,
        skip_model_load=True,
    )


def enumerated():
    inputs = [
        tensor("x", ct.EnumeratedShapes([(2, 3), (2, 5)])),
        tensor("y", ct.EnumeratedShapes([(1, 3), (1, 5)])),
    ]
    return convert_traced(lambda x, y: x * y, inputs, target=ct.target.iOS18)


def ranged():
    inputs = [
        tensor("x", ct.Shape((2, ct.RangeDim(2, 5)))),
        tensor("y", (1, 1), default_value=np.ones((1, 1), np.float32)),
    ]
    return convert_traced(lambda x, y: x * y, inputs)


def pipeline():
    return ct.utils.make_pipeline(
        convert_traced(lambda x: x * 2, [tensor("x", (2, 3))], [ct.TensorType("h")]),
        convert_traced(lambda h: h + 1, [tensor("h", (2, 3))], [ct.TensorType("y")]),
    )


@pytest.mark.parametrize("make", [stateful, enumerated, ranged, pipeline])
def test_models_of_every_kind_work_or_are_refused_when_damaged(make):
    model = make()
    sound = model.get_spec()
    given = {"x": np.ones((2, 3))} | ({"y": np.ones((1, 3))} if make is enumerated else {})
    works = 0
    for seed in range(100):
        random = Random(seed)
        damaged = Model_pb2.Model()
        damaged.CopyFrom(sound)
        what = damage_proto(damaged.description if seed % 2 else damaged, random)
        model._spec = damaged
        try:
            loaded = mil_runtime.load(model)
            loaded.predict(given, loaded.make_state())
            works += 1
        except MilRuntimeError as error:
            assert len(str(error).splitlines()) == 1, f"seed {seed}, {what}: {error}"
        except Exception as error:
            raise AssertionError(f"seed {seed}, {what}: {error!r}") from error
    assert 0 < works < 100
