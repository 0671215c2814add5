"""A folder of images a class: ``PATH/train/cat/1.png`` and ``PATH/test/cat/9.png``, or ``PATH/cat/1.png``."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from etb_hw.config import DataConfig
from etb_hw.data.dataset import Dataset, Labels, Pixels
from etb_hw.data.files import required_path
from etb_hw.data.split import split
from etb_hw.errors import BadInput

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff")
LARGEST = 1 << 26  # pixels of an image
WIDE_MODES = ("I", "F")  # 16 and 32 bits a pixel, as Pillow begins their names; convert() would clip them
UNREADABLE = (
    OSError, ValueError, SyntaxError, Image.DecompressionBombError,
    struct.error, TypeError,  # of damaged EXIF data
)  # fmt: skip
LAYOUT = "lay images out as PATH/train/CLASS/*.png and PATH/test/CLASS/*.png, or PATH/CLASS/*.png"


def load_folder(config: DataConfig) -> Dataset:
    """Images as uint8 (N, C, H, W) with C from ``data.channels``; classes are the sorted folder names.

    Photos are turned as their EXIF data say, so as every viewer shows them.

    Where there is no ``test`` folder, ``test_share`` of every class is held out. Raises BadInput for
    unreadable images, for what 8 bits without transparency do not hold, for classes without images, and for
    images of different sizes unless ``data.image_size`` is given.
    """
    root = required_path(config, LAYOUT)
    train = root / "train"
    own_split = train.is_dir() and (root / "test").is_dir()
    classes = _classes(train if own_split else root)
    source = config.source or root.resolve().name
    if not own_split:
        x, y = _read(config, root, classes)
        return split(config, x, y, classes, source)
    extra = set(_classes(root / "test")) - set(classes)
    if extra:
        raise BadInput(str(root / "test"), f"has classes without training images: {sorted(extra)}", LAYOUT)
    return Dataset(*_read(config, train, classes), *_read(config, root / "test", classes), classes, source)


def _classes(folder: Path) -> tuple[str, ...]:
    found = [p.name for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []
    names = tuple(sorted(name for name in found if not _left_behind(name)))
    if len(names) < 2:
        raise BadInput(str(folder), f"holds {len(names)} class folders, at least two are needed", LAYOUT)
    return names


def _left_behind(name: str) -> bool:
    """By an editor or an archive (.ipynb_checkpoints, ._1.png, __MACOSX): neither a class nor an image."""
    return name.startswith(".") or name == "__MACOSX"


def _read(config: DataConfig, folder: Path, classes: tuple[str, ...]) -> tuple[Pixels, Labels]:
    images: list[Pixels] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():
            continue
        for path in sorted((folder / name).iterdir()):
            if path.suffix.lower() not in SUFFIXES or _left_behind(path.name):
                continue
            if not path.is_file():
                raise BadInput(str(path), "is no regular file", "repair or remove it")
            image = _image(path, config)
            if images and image.shape != images[0].shape:
                raise BadInput(
                    str(path),
                    f"is {_size(image)} pixels large, the images before it {_size(images[0])}",
                    "set data.image_size = [height, width] to scale all images",
                )
            images.append(image)
            labels.append(label)
        if label not in labels[-1:]:
            raise BadInput(
                str(folder / name),
                f"counts as a class but holds no images ({', '.join(SUFFIXES)}) itself",
                f"{LAYOUT}; take a folder away that is no class",
            )
    # read class by class: shuffle, so that any part of the set holds all classes
    order = np.random.RandomState(config.split_seed).permutation(len(images))
    return np.stack(images)[order], np.array(labels, dtype=np.int64)[order]


def _size(image: Pixels) -> str:
    return f"{image.shape[2]}x{image.shape[1]}"


def _image(path: Path, config: DataConfig) -> Pixels:
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > LARGEST:
                size = f"{opened.width}x{opened.height}"
                raise BadInput(str(path), f"is {size} pixels large, more than is read", "scale it down")
            if opened.mode.startswith(WIDE_MODES):
                reason = f"has more than 8 bits a pixel (Pillow's mode {opened.mode})"
                raise BadInput(
                    str(path), reason, "scale its values to 0..255 and save it with 8 bits a pixel"
                )
            if opened.has_transparency_data and np.asarray(opened.convert("RGBA"))[..., 3].min() < 255:
                reason = "has transparent pixels, whose colour is not defined"
                raise BadInput(str(path), reason, "put the image on a background, and save it without alpha")
            # cameras write rows as their sensor lies, and a note how to turn them
            image = ImageOps.exif_transpose(opened).convert("L" if config.channels == 1 else "RGB")
    except UNREADABLE as error:
        raise BadInput(str(path), f"is no readable image ({error})", "repair or remove the file") from None
    if config.image_size is not None:
        height, width = config.image_size
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if config.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
