"""Pictures are decoded and encoded anew."""

from io import BytesIO

import pytest
from PIL import Image, ImageCms, ImageDraw

from mailer.statements import pictures
from mailer.statements.pictures import MAX_BYTES, MAX_WIDTH_PX, UnusablePicture, read_picture


def opened(picture):
    """Return the picture as a program that shows mails would read it."""
    return Image.open(BytesIO(picture.content))


def test_metadata_stays_behind(tmp_path):
    """Neither the place a picture was taken at nor a comment goes on."""
    image = Image.new("RGB", (40, 20), "navy")
    exif = image.getexif()
    exif[0x010E] = "canary description"
    exif.get_ifd(0x8825)[1] = "N"
    image.save(tmp_path / "a.jpg", exif=exif, comment=b"canary comment")
    picture = read_picture(tmp_path, "a.jpg")
    assert b"canary" not in picture.content
    assert {} == dict(opened(picture).getexif())


def test_a_picture_is_turned_as_the_camera_meant(tmp_path):
    """The mark that turns a picture is gone, so its pixels are turned."""
    image = Image.new("RGB", (40, 20), "navy")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    picture = read_picture(tmp_path, "a.jpg")
    assert (20, 40) == (picture.width_px, picture.height_px)


def test_a_wide_picture_is_made_narrower(tmp_path):
    """Nothing is wider than two pixels for each of the mail's 600."""
    Image.new("RGB", (3000, 1500), "navy").save(tmp_path / "a.png")
    picture = read_picture(tmp_path, "a.png")
    assert (MAX_WIDTH_PX, 600) == (picture.width_px, picture.height_px)
    assert opened(picture).size == (picture.width_px, picture.height_px)


def test_a_photo_becomes_a_jpeg_that_fits(tmp_path):
    """A picture of many colors is brought under the limit by quality first, then by size."""
    Image.effect_noise((1200, 500), 60).convert("RGB").save(tmp_path / "a.png")
    picture = read_picture(tmp_path, "a.png")
    assert "image/jpeg" == picture.media_type
    assert len(picture.content) <= MAX_BYTES


def test_a_drawing_stays_a_sharp_png(tmp_path):
    """A picture of few colors loses none of them."""
    image = Image.new("RGB", (300, 200), "#dfe8ef")
    ImageDraw.Draw(image).ellipse((50, 50, 150, 150), fill="#135")
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path, "a.png")
    assert "image/png" == picture.media_type
    assert image.tobytes() == opened(picture).convert("RGB").tobytes()


def test_transparency_is_kept_where_there_is_any(tmp_path):
    """What is seen through stays so; an alpha channel that hides nothing is dropped."""
    Image.new("RGBA", (30, 30), (200, 30, 30, 90)).save(tmp_path / "clear.png")
    Image.new("RGBA", (30, 30), (200, 30, 30, 255)).save(tmp_path / "solid.png")
    clear = opened(read_picture(tmp_path, "clear.png")).convert("RGBA")
    assert (200, 30, 30, 90) == clear.getpixel((5, 5))
    assert "transparency" not in opened(read_picture(tmp_path, "solid.png")).info


def test_a_color_profile_is_applied_before_it_is_dropped(tmp_path):
    """Colors look the same although the profile stays behind."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (20, 20), (180, 90, 45)).save(tmp_path / "a.png", icc_profile=profile)
    picture = opened(read_picture(tmp_path, "a.png"))
    assert "icc_profile" not in picture.info
    assert all(
        abs(found - wanted) <= 2
        for found, wanted in zip(
            picture.convert("RGB").getpixel((3, 3)), (180, 90, 45), strict=True
        )
    )


def test_the_same_file_gives_the_same_bytes(tmp_path):
    """Loading twice is one revision."""
    Image.effect_noise((300, 200), 60).convert("RGB").save(tmp_path / "a.webp")
    assert read_picture(tmp_path, "a.webp") == read_picture(tmp_path, "a.webp")


def test_what_unfolds_to_too_many_pixels_is_not_decoded(tmp_path):
    """A small file that holds a huge picture is refused by its header."""
    Image.new("1", (9000, 9000)).save(tmp_path / "a.png")
    with pytest.raises(UnusablePicture, match="million pixels"):
        read_picture(tmp_path, "a.png")


def test_a_huge_file_is_not_opened(tmp_path, monkeypatch):
    """A file beyond the limit is refused by its size."""
    monkeypatch.setattr(pictures, "MAX_FILE_BYTES", 10)
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    with pytest.raises(UnusablePicture, match="larger than"):
        read_picture(tmp_path, "a.png")


def test_moving_pictures_are_refused(tmp_path):
    """An animation is refused, not cut to its first frame in silence."""
    frames = [Image.new("RGB", (9, 9), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(UnusablePicture, match="moves"):
        read_picture(tmp_path, "a.webp")


@pytest.mark.parametrize(
    "name", ["../a.png", "/etc/a.png", "a/b.png", "a.svg", "a.gif", "a b.png", "Маяк.png", ""]
)
def test_only_plain_names_are_read(tmp_path, name):
    """A name leads to a file of the folder or nowhere."""
    with pytest.raises(UnusablePicture, match="not the plain name"):
        read_picture(tmp_path, name)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    """A symbolic link is no picture of the folder."""
    Image.new("RGB", (9, 9)).save(tmp_path / "real.png")
    inside = tmp_path / "statement"
    inside.mkdir()
    (inside / "a.png").symlink_to(tmp_path / "real.png")
    with pytest.raises(UnusablePicture, match="there is no picture"):
        read_picture(inside, "a.png")


def test_what_is_no_picture_is_refused_whatever_its_name(tmp_path):
    """Markup under the name of a picture is not sent on."""
    (tmp_path / "a.png").write_text("<svg onload='x'/>", encoding="utf-8")
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0 and then nothing")
    for name in ("a.png", "b.jpg"):
        with pytest.raises(UnusablePicture, match="damaged"):
            read_picture(tmp_path, name)
