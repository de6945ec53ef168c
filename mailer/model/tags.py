"""Language tags: read them, write them in one form, and replace those that are out of use.

In: what people and exports write ("ru_RU", "EN-gb", "mo", "rus"). Out: a `LanguageTag`, whose text
is the one form that is stored and compared ("ru-RU", "en-GB", "ro", "ru"). Standard library only,
so that lists, imports and statements agree. Standards: RFC 5646 (BCP 47).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

# RFC 5646 §2.1: langtag; extensions and private use say nothing about what a person can read.
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3}|[a-z]{4}|[a-z]{5,8})"
    r"(?:-(?P<extlang>[a-z]{3}(?:-[a-z]{3}){0,2}))?"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?"
)
_LONGEST = 80

#: Codes that were withdrawn or are another's older name, and what stands for them now.
_LEGACY = {
    "in": "id",
    "iw": "he",
    "ji": "yi",
    "jw": "jv",
    "mo": "ro",
    "mol": "ro",
    "prs": "fa-AF",
    "scc": "sr",
    "scr": "hr",
    "sh": "sr-Latn",
    "tl": "fil",
}

# RFC 5646 §2.2.1: where a language has a two-letter code, that one is used.
_THREE_LETTERS = """
aar aa abk ab afr af aka ak alb sq amh am ara ar arg an arm hy asm as ava av ave ae aym ay aze az
bak ba bam bm baq eu bel be ben bn bis bi bod bo bos bs bre br bul bg bur my cat ca ces cs
cha ch che ce chi zh chu cu chv cv cor kw cos co cre cr cym cy cze cs dan da deu de div dv dut nl
dzo dz ell el eng en epo eo est et eus eu ewe ee fao fo fas fa fij fj fin fi fra fr fre fr fry fy
ful ff geo ka ger de gla gd gle ga glg gl glv gv gre el grn gn guj gu hat ht hau ha heb he her hz
hin hi hmo ho hrv hr hun hu hye hy ibo ig ice is ido io iii ii iku iu ile ie ina ia ind id ipk ik
isl is ita it jav jv jpn ja kal kl kan kn kas ks kat ka kau kr kaz kk khm km kik ki kin rw kir ky
kom kv kon kg kor ko kua kj kur ku lao lo lat la lav lv lim li lin ln lit lt ltz lb lub lu lug lg
mac mk mah mh mal ml mao mi mar mr may ms mkd mk mlg mg mlt mt mon mn mri mi msa ms mya my nau na
nav nv nbl nr nde nd ndo ng nep ne nld nl nno nn nob nb nor no nya ny oci oc oji oj ori or orm om
oss os pan pa per fa pli pi pol pl por pt pus ps que qu roh rm ron ro rum ro run rn rus ru sag sg
san sa sin si slk sk slo sk slv sl sme se smo sm sna sn snd sd som so sot st spa es sqi sq srd sc
srp sr ssw ss sun su swa sw swe sv tah ty tam ta tat tt tel te tgk tg tgl fil tha th tib bo tir ti
ton to tsn tn tso ts tuk tk tur tr twi tw uig ug ukr uk urd ur uzb uz ven ve vie vi vol vo wel cy
wln wa wol wo xho xh yid yi yor yo zha za zho zh zul zu
"""
_REPLACED = dict(re.findall(r"([a-z]{3})\s([a-z]{2,3})\b", _THREE_LETTERS)) | _LEGACY


class MalformedTag(ValueError):
    """The text is not a language tag."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__("is not a language tag like en, ru or sr-Latn")


@dataclass(frozen=True)
class LanguageTag:
    """A language tag taken apart, in its canonical case; the text is `str(tag)`."""

    #: "sr".
    language: str
    #: "Latn"; "" when the tag does not say.
    script: str = ""
    #: "ME" or "419"; "" when the tag does not say.
    region: str = ""
    #: ("tarask",).
    variants: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the canonical text: "sr-Latn-ME"."""
        parts = (self.language, self.script, self.region, *self.variants)
        return "-".join(part for part in parts if part)


@lru_cache(maxsize=4096)
def parse_tag(text: str) -> LanguageTag:
    """Read a language tag in any case, with hyphens or underscores.

    Codes out of use are replaced ("mo" is "ro", "sh" is "sr-Latn"), three-letter codes by the
    two-letter ones; extensions and private use are left out.

    Raises:
        MalformedTag: when it is not a tag.
    """
    lowered = text.strip().replace("_", "-").lower()
    found = _TAG.fullmatch(lowered) if lowered.isascii() and len(lowered) <= _LONGEST else None
    if found is None:
        raise MalformedTag(text)
    # RFC 5646 §4.5: an extended language subtag stands for itself.
    code = (found["extlang"] or found["language"]).split("-")[0]
    base = (_REPLACED.get(code) or code).split("-")
    implied_script = base[1] if len(base) > 1 and len(base[1]) == 4 else ""
    implied_region = base[1] if len(base) > 1 and len(base[1]) == 2 else ""
    return LanguageTag(
        language=base[0],
        # RFC 5646 §2.1.1: script in title case, region in upper case, the rest in lower case.
        script=(found["script"] or implied_script).title(),
        region=(found["region"] or implied_region).upper(),
        variants=tuple(part for part in found["variants"].split("-") if part),
    )


def normalize_tag(text: str) -> str:
    """Return the one form of a language tag in which it is stored and compared.

    Raises:
        MalformedTag: when it is not a tag.
    """
    return str(parse_tag(text))
