"""Small models that are traced by torch and converted, as users do it."""

import coremltools as ct
import torch

HEIGHT, WIDTH = 4, 6


def convert_traced(compute, inputs, outputs=None, target=ct.target.iOS16, pipeline=None):
    """Trace the function ``compute`` of tensors with torch, and convert it in float32."""

    class Module(torch.nn.Module):
        def forward(self, *tensors):
            return compute(*tensors)

    examples = [torch.ones(tuple(default_shape(item)), dtype=torch_type(item)) for item in inputs]
    return ct.convert(
        torch.jit.trace(Module().eval(), examples),
        inputs=inputs,
        outputs=outputs,
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
        **({} if pipeline is None else {"pass_pipeline": pipeline}),
    )


def save(compute, folder, inputs, outputs=None, target=ct.target.iOS16, pipeline=None):
    """Convert like ``convert_traced``, and return the path of the saved package."""
    path = folder / "model.mlpackage"
    convert_traced(compute, inputs, outputs, target, pipeline).save(str(path))
    return path


def default_shape(item):
    return item.shape.default if hasattr(item.shape, "default") else item.shape.shape


def torch_type(item):
    types = ct.converters.mil.mil.types
    return {types.int32: torch.int32, types.int8: torch.int8}.get(
        getattr(item, "dtype", None), torch.float32
    )


def tensor(name="x", shape=(1, 3), **options):
    return ct.TensorType(name=name, shape=shape, **options)


def picture(layout, name="x", size=(HEIGHT, WIDTH), **options):
    channels = 3 if layout in (ct.colorlayout.RGB, ct.colorlayout.BGR) else 1
    return ct.ImageType(name=name, shape=(1, channels, *size), color_layout=layout, **options)


def only(prediction):
    """Return the value of the only output."""
    (value,) = prediction.values()
    return value
