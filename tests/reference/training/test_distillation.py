"""A student learns the embeddings of a small teacher, a Segment Anything with a ViT of two blocks."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from timm.models.vision_transformer_sam import VisionTransformerSAM
from torch import nn

from reference.common.command_line import run
from reference.common.errors import CheckpointError, ImageError, TrainingError
from reference.modeling.sam import Sam
from reference.photos.photo_files import find_photos
from reference.training.cli import training
from reference.training.distillation_task import DistillationTask, load_decoder
from reference.training.processes import Processes
from reference.training.run_folder import RunFolder
from reference.training.teacher import TeacherImageEncoder
from reference.training.trainer import Schedule, Trainer
from reference.weights.official_names import official_name
from tests.support.tiny_variant import TINY


@pytest.fixture(scope="module")
def teacher_weights():
    """The teacher's weights, under the names of the original's checkpoints."""
    torch.manual_seed(1)
    vit = VisionTransformerSAM(
        img_size=TINY.image_size,
        patch_size=16,
        num_classes=0,
        embed_dim=32,
        depth=2,
        num_heads=2,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=6,
        global_attn_indexes=(1,),
        neck_chans=TINY.embedding_dim,
    )
    for parameter in vit.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.2)
    encoder = {
        "image_encoder." + name.replace("mlp.fc", "mlp.lin"): tensor
        for name, tensor in vit.state_dict().items()
    }
    decoder = {
        official_name(name): tensor
        for name, tensor in Sam(TINY).state_dict().items()
        if not name.startswith("image_encoder.")
    }
    return encoder | decoder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    for name in ("china.jpg", "more/flower.jpg"):
        photo = Image.fromarray(load_sample_image(folder.joinpath(name).name))
        photo.resize((128, 96)).save(folder / name)
    (folder / "notes.txt").write_text("not a photo")
    (folder / "._china.jpg").write_bytes(b"left there by macOS")
    return folder


def test_sizes_are_read_off_the_checkpoint(teacher_weights):
    teacher = TeacherImageEncoder(teacher_weights, "small.pth")
    assert teacher.frame_size == TINY.image_size
    assert [block.window_size for block in teacher.vit.blocks] == [6, 0]
    assert teacher.vit.blocks[0].attn.num_heads == 2
    assert teacher(torch.zeros(1, 3, 256, 256)).shape == (1, TINY.embedding_dim, 16, 16)


def test_student_learns_the_embeddings_and_keeps_the_decoder(teacher_weights, photos, tmp_path):
    torch.manual_seed(0)
    sam = Sam(TINY)
    load_decoder(sam, teacher_weights, "small.pth")
    teacher = TeacherImageEncoder(teacher_weights, "small.pth")
    task = DistillationTask(sam, teacher, find_photos(photos))
    schedule = Schedule(steps=40, pictures=2, learning_rate=3e-3, warmup=5)
    folder = RunFolder(tmp_path)
    lines = []
    processes = Processes(0, 1, torch.device("cpu"))
    Trainer(sam, task, schedule, folder, processes).train(40, lines.append)
    assert lines[-1]["unexplained"] < 0.6 * lines[0]["unexplained"]
    own = {official_name(name): tensor for name, tensor in sam.state_dict().items()}
    kept = [name for name in teacher_weights if not name.startswith("image_encoder.")]
    assert all(torch.equal(own[name], teacher_weights[name]) for name in kept)


def test_every_photo_is_seen_once_a_pass(teacher_weights, photos):
    sam = Sam(TINY)
    task = DistillationTask(sam, TeacherImageEncoder(teacher_weights, "t"), find_photos(photos))
    for pixels, _ in task.batches(range(first, first + 2) for first in (0, 2, 4)):
        assert not np.allclose(pixels[0], pixels[1])


def test_photos_are_found_below_the_folder(photos):
    assert [path.name for path in find_photos(photos)] == ["china.jpg", "flower.jpg"]


def test_bad_teachers_and_photos_are_refused(teacher_weights, photos, tmp_path):
    sam = Sam(TINY)
    teacher = TeacherImageEncoder(teacher_weights, "small.pth")
    with pytest.raises(TrainingError, match="no photos: expected files ending in .jpg"):
        DistillationTask(sam, teacher, [])
    student = {official_name(name): tensor for name, tensor in sam.state_dict().items()}
    with pytest.raises(CheckpointError, match="'mobile.pt' is not a checkpoint"):
        TeacherImageEncoder(student, "mobile.pt")
    narrow = teacher_weights | {"mask_decoder.iou_token.weight": torch.zeros(1, 32)}
    with pytest.raises(CheckpointError, match="'small.pth' does not fit"):
        load_decoder(sam, narrow, "small.pth")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(ImageError):
        next(DistillationTask(sam, teacher, [broken]).batches([range(1)]))


def test_command_refuses_a_teacher_of_another_frame(teacher_weights, photos, tmp_path, capsys):
    path = tmp_path / "teacher.safetensors"
    save_file(teacher_weights, path)
    output = tmp_path / "run"
    arguments = ("--teacher", path, "--images", photos, "--output", output, "--steps", 1)
    with pytest.raises(SystemExit) as exit_:
        run(training, ["distill", *map(str, arguments)])
    assert exit_.value.code == 2
    assert "'teacher.safetensors' does not fit the model" in capsys.readouterr().err
    assert not output.exists()
