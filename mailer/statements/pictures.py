"""Take a picture from a statement's folder and make it fit to travel in a mail.

In: a file somebody put there. Out: a `Picture`, decoded and encoded anew, so that nothing of the
file but its pixels goes on: no place, no camera, no name, no comment. JPEG or PNG, at most
1,200 pixels wide (a mail is 600 wide, and screens show two pixels for one) and 100 kB.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError

from mailer.model.statement import Picture
from mailer.model.worded import worded

MAX_WIDTH_PX = 1_200
MAX_BYTES = 100_000
#: A larger file is not opened at all.
MAX_FILE_BYTES = 25_000_000
#: A larger picture is not decoded: a few kB may unfold to gigabytes.
MAX_PIXELS = 50_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}\.(?:jpe?g|png|webp)", re.IGNORECASE)
_FORMATS = ("JPEG", "PNG", "WEBP")
_JPEG_QUALITIES = (86, 80, 74, 66, 58, 50)
_SHRINKINGS = (1.0, 0.8, 0.64, 0.5, 0.4, 0.3)


class UnusablePicture(Exception):
    """A picture that cannot travel in a mail; carries what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}.")


def read_picture(folder: Path, name: str) -> Picture:
    """Read the picture `name` of a statement's folder and encode it anew.

    The same file gives the same bytes, so that loading twice is one revision.

    Raises:
        UnusablePicture: when the name leads elsewhere, there is no such file, it is no picture of
            a known kind, or it would not fit.
    """
    _check_name(name)
    path = folder / name
    # A link could lead out of the folder, to a file that is nobody's to send.
    if path.is_symlink() or not path.is_file():
        raise UnusablePicture(
            worded('there is no picture "%(name)s" in the folder', name=name),
            "Put it there or mend the name",
        )
    _check_size(name, path.stat().st_size)
    return _encode(name, _decode(name, path.read_bytes()))


def encode_picture(name: str, content: bytes) -> Picture:
    """Encode a picture anew that somebody sent; raises as `read_picture`."""
    _check_name(name)
    _check_size(name, len(content))
    return _encode(name, _decode(name, content))


def is_picture_name(name: str) -> bool:
    """Tell whether a picture of a statement may be called so."""
    return _NAME.fullmatch(name) is not None


def known_picture(name: str, content: bytes) -> Picture:
    """Return a picture that was encoded here before, as it is; only its head is read.

    To encode it once more would lose a little of it each time, and make another revision of the
    same words.

    Raises:
        UnusablePicture: when it was not.
    """
    try:
        with Image.open(BytesIO(content), formats=("JPEG", "PNG")) as picture:
            media_type = f"image/{(picture.format or '').lower()}"
            width, height = picture.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UnusablePicture(worded('"%(name)s" is damaged', name=name), "Add it anew") from error
    if len(content) > MAX_BYTES or width > MAX_WIDTH_PX:
        raise UnusablePicture(worded('"%(name)s" was not made to fit', name=name), "Add it anew")
    return Picture(name, media_type, width, height, content)


def _check_name(name: str) -> None:
    if not is_picture_name(name):
        raise UnusablePicture(
            worded(
                '"%(name)s" is not the plain name of a picture in the statement\'s folder',
                name=name,
            ),
            "Put a PNG, JPEG or WebP file there and name it in Latin letters, digits and hyphens",
        )


def _check_size(name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise UnusablePicture(
            worded(
                '"%(name)s" is larger than %(limit)s MB',
                name=name,
                limit=MAX_FILE_BYTES // 1000000,
            ),
            "Make it smaller",
        )


def _decode(name: str, content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(content), formats=_FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            if getattr(picture, "n_frames", 1) > 1:
                raise UnusablePicture(
                    worded('"%(name)s" moves', name=name), "Save one frame of it as PNG or JPEG"
                )
            # JPEG: decode at a fraction of the size, which is all that will be kept.
            picture.draft("RGB", (MAX_WIDTH_PX * 2, MAX_WIDTH_PX * 2))
            picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusablePicture(
            worded(
                '"%(name)s" has more than %(limit)s million pixels',
                name=name,
                limit=MAX_PIXELS // 1000000,
            ),
            "Make it smaller",
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UnusablePicture(
            worded('"%(name)s" is not a PNG, JPEG or WebP picture, or it is damaged', name=name),
            "Save it anew",
        ) from error
    if picture.mode[0] in "IF":
        raise UnusablePicture(
            worded('"%(name)s" has more than 8 bits a color', name=name), "Save it with 8 bits"
        )
    # A camera turns the picture by a mark in the metadata, which will be gone.
    upright = ImageOps.exif_transpose(picture)
    colored = _to_srgb(upright)
    if colored.width > MAX_WIDTH_PX:
        height = max(1, round(colored.height * MAX_WIDTH_PX / colored.width))
        colored = colored.resize((MAX_WIDTH_PX, height), Image.Resampling.LANCZOS)
    return colored


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Return the picture in plain sRGB, with alpha when it has any transparency."""
    alpha = "A" in picture.getbands() or "transparency" in picture.info
    mode = "RGBA" if alpha else "RGB"
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(
                picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            picture = converted
    converted_mode = picture.convert(mode)
    if alpha and converted_mode.getchannel("A").getextrema() == (255, 255):
        return converted_mode.convert("RGB")
    return converted_mode


def _encode(name: str, picture: Image.Image) -> Picture:
    for shrinking in _SHRINKINGS:
        size = (
            max(1, round(picture.width * shrinking)),
            max(1, round(picture.height * shrinking)),
        )
        smaller = (
            picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)
        )
        for media_type, content in _encodings(smaller):
            if len(content) <= MAX_BYTES:
                return Picture(name, media_type, smaller.width, smaller.height, content)
    raise UnusablePicture(
        worded('"%(name)s" stays larger than %(limit)s kB', name=name, limit=MAX_BYTES // 1000),
        "Use a simpler picture",
    )


def _encodings(picture: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Yield the picture as files, best first; each is made only when it is asked for."""
    # Few colors mean a drawing, which PNG keeps sharp and small.
    drawing = picture.getcolors(4_096) is not None
    if picture.mode == "RGBA" or drawing:
        method = Image.Quantize.FASTOCTREE if picture.mode == "RGBA" else Image.Quantize.MEDIANCUT
        flat = picture.quantize(256, method, dither=Image.Dither.NONE)
        # With 256 colors or fewer nothing is lost by numbering them, and much is saved.
        lossless = (
            ImageChops.difference(flat.convert(picture.mode), picture).getbbox(alpha_only=False)
            is None
        )
        if not lossless:
            yield "image/png", _saved(picture, "PNG", optimize=True)
        yield "image/png", _saved(flat, "PNG", optimize=True)
    # Where the lowest quality is too large the others are not worth their time.
    if picture.mode != "RGBA" and len(_jpeg(picture, _JPEG_QUALITIES[-1])) <= MAX_BYTES:
        for quality in _JPEG_QUALITIES:
            yield "image/jpeg", _jpeg(picture, quality)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    return _saved(picture, "JPEG", quality=quality, optimize=True, progressive=True)


def _saved(picture: Image.Image, file_format: str, **options: int) -> bytes:
    # A fresh copy of the pixels carries no metadata that an encoder could write out.
    bare = Image.new(picture.mode, picture.size)
    if picture.palette is not None:
        # Three values a color where nothing is seen through, four where something is.
        kind = picture.palette.mode
        bare.putpalette(picture.getpalette(kind) or [], kind)
    bare.paste(picture)
    file = BytesIO()
    bare.save(file, file_format, **options)
    return file.getvalue()
