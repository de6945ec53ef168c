"""Titles in many scripts go through a header and are read back by another's parser."""

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.compose.headers import mailbox_header, text_header

#: Script or kind → invented titles, short and long.
TITLES = {
    "Latin": ["Keep the lamp lit", "Five towns, one harbor: an open letter to all who sail by night"],
    "Latin, one long word": ["Donaulichterkettenversammlungsverbotsaufhebungsantragsformularfeldname"],
    "Latin, accents": ["Țărmul nostru își cere înapoi corăbiile", "Ľúbime ťažký chlieb, žltú kôru"],
    "Latin, Vietnamese": ["Giữ lấy ngọn đèn biển, để người về còn thấy lối giữa đêm giông bão"],
    "Latin, decomposed": ["Ke\u0301k to\u030bke\u0301k a ho\u0301 alatt, e\u0301s me\u0301g egy so\u0301haj"],
    "Latin, Turkish": ["IĞDIR’IN IŞIĞI: ılık ışıklar, İnce sözler"],
    "Latin, quotes": ['"Let them read": (a list) of books, <all> of them; & more'],
    "Latin, encoded-word": ["What =?utf-8?q?this=0d=0a?= means", "=?", "a =?b?= c"],
    "Latin, Yoruba": ["Ẹ jẹ́ kí àtùpà wa máa jó títí di òwúrọ̀"],
    "Cyrillic": ["Дом у моря", "Верните маякам их смотрителей, а смотрителям — их вечера и книги"],
    "Cyrillic, Ukrainian": ["Ґанок, їжак і п’ять щоглових ліхтарів"],
    "Cyrillic, Belarusian": ["Зноў у кожным акне свяціла — і ўсё чытаем"],
    "Cyrillic, Kyrgyz": ["Көлдүн үстүндөгү өчпөс жарык: жаңы өргөө үчүн кат"],
    "Cyrillic, Serbian": ["Његове љуљашке и ђачке џепове вратите деци"],
    "Cyrillic, Abkhaz": ["Ҳҩыза, ҳгәы ҟаҵа: амшын акәша-мыкәша"],
    "Cyrillic, stressed": ["Замо\u0301к и за\u0301мок: что\u0301 мы открыва\u0301ем"],
    "Greek": ["Φῶς στὸ λιμάνι", "Ἀνοίξτε τὶς πόρτες τῆς βιβλιοθήκης, εἶναι ἀκόμη μέρα"],
    "Georgian": ["ზღვისპირა ბიბლიოთეკის წიგნები სახლში დაბრუნდეს"],
    "Armenian": ["Լույսը չի մարում, երբ միասին ենք պահում"],
    "Hebrew": ["אור אחד לכל הספרים", "הֵשִׁיבוּ אֶת הַסְּפָרִים לַמַּדָּפִים (כולל 42)"],
    "Yiddish": ["לאָזט די ליכט ברענען ביזן פֿרימאָרגן"],
    "Arabic": ["ضوء الميناء", "أَعِيدُوا الكُتُبَ إلى رُفوفِها، فالقارئونَ ينتظرونَ عندَ الباب"],
    "Persian": ["نوری که می‌ماند", "کتاب‌های ما را به خانه‌هایشان بازگردانید؛ شب هنوز بلند است"],
    "Urdu": ["چراغ جلتا رہے، کتاب کھلی رہے"],
    "Pashto": ["د سیند تر غاړې زموږ ډیوه بله ده"],
    "Sorani": ["چرای دەریاچەکەمان هەر گەشە"],
    "Uyghur": ["دېڭىز بويىدىكى چىراغ ئۆچمەيدۇ"],
    "Syriac": ["ܢܘܗܪܐ ܕܠܡܐܢܐ ܠܐ ܕܥܟ"],
    "N'Ko": ["ߦߋߟߋ߲ ߕߍ߫ ߛߊ߬ ߟߊ߫"],
    "Thaana": ["ބަނދަރުގެ އަލި ނިވައި ނުދޭ"],
    "Devanagari": ["दीप जलता रहे", "पुस्तकालय की किताबें लौटाइए, पाठक द्वार पर प्रतीक्षा में हैं"],
    "Bengali": ["বন্দরের আলো নিভে যায় না, আমরা একসঙ্গে ধরে রাখি"],
    "Gurmukhi": ["ਦੀਵਾ ਬਲਦਾ ਰਹੇ ਤੇ ਕਿਤਾਬ ਖੁੱਲ੍ਹੀ ਰਹੇ"],
    "Tamil": ["துறைமுக விளக்கு அணைவதில்லை"],
    "Malayalam": ["വിളക്കുമാടത്തിൻ്റെ വെളിച്ചം കെടുത്തരുത്"],
    "Sinhala": ["පොත් ආපසු රාක්කවලට ගෙන එන්න"],
    "Thai": ["แสงที่ท่าเรือไม่เคยดับ", "คืนหนังสือทุกเล่มให้ห้องสมุดริมน้ำก่อนฟ้าสาง"],
    "Lao": ["ແສງໄຟທີ່ທ່າເຮືອຍັງບໍ່ມອດ"],
    "Khmer": ["ពន្លឺកំពង់ផែមិនរលត់ឡើយ"],
    "Burmese": ["ဆိပ်ကမ်းမီးအိမ် မငြိမ်းစေနဲ့"],
    "Tibetan": ["གྲུ་ཁའི་སྒྲོན་མེ་མི་འཆི།"],
    "Mongolian": ["ᠭᠡᠷᠡᠯ ᠦᠨᠡᠨ"],
    "Ethiopic": ["የወደቡ መብራት አይጠፋም"],
    "Tifinagh": ["ⴰⵙⵉⴷⴷ ⵏ ⵓⵎⴰⵔⵙⴰ ⵓⵔ ⵉⵅⵙⵉ"],
    "Cherokee": ["ᎠᏨᏍᏗ ᎠᏓᏪᎳᎩᏍᎬ"],
    "Inuktitut": ["ᖁᓪᓕᖅ ᐃᑭᑦᑕᐅᓯᒪᔪᖅ"],
    "Chinese": ["海港的灯", "請把書還給安靜海港的圖書館，讀者們仍在門前等候，直到天亮"],
    "Japanese": ["港の灯を消さないで", "「静かな港」図書館の本を返してください。ドアの前で待っています"],
    "Korean": ["등대는 꺼지지 않는다", "도서관의 책을 돌려주세요"],
    "Korean, by letters": ["\u1103\u1173\u11bc\u1103\u1162"],
    "Adlam": ["𞤲𞤮𞥅𞤪 𞤥𞤢𞤴𞤢𞤼𞤢"],
    "Deseret": ["𐐢𐐰𐑋𐐹 𐐺𐐴 𐑄 𐑅𐐨"],
    "emoji": ["✊🏽 Together 👩🏽‍🚒👨‍👩‍👧‍👦 🏳️‍🌈", "🇲🇩" * 30, "👩🏽‍🚒" * 12],
    "marks upon marks": ["Z" + "\u0301\u0323\u0308\u20dd" * 25 + " and an end"],
    "both directions": ["Letter 7: «نور» means light, אור too (2026)", "\u200fא\u200e b \u200fג\u200e"],
    "blanks": [" two  blanks ", "\u00a0no break\u00a0", "\u3000広い\u3000空白\u3000"],
    "signs": ["100 % — №5, §7: €3 → ½ … ‰ ™", "?=_=?= a_b"],
}  # fmt: skip
ALL = {
    f"{script} {number}": title
    for script, titles in TITLES.items()
    for number, title in enumerate(titles, start=1)
}
every_title = pytest.mark.parametrize("title", ALL.values(), ids=ALL)
_WORD = re.compile(r"=\?utf-8\?[bq]\?[^? ]*\?=")


def _lines(field):
    """Return the lines of a field on the wire."""
    assert field.endswith(b"\r\n")
    return field.decode().removesuffix("\r\n").split("\r\n")


def _assert_encoded_words(lines):
    """Hold a field's encoded-words against RFC 2047 §2 and §5 (3)."""
    words = [word for line in lines for word in _WORD.findall(line)]
    assert [word for word in words if len(word) > 75] == []
    assert [line for line in lines if "=?" in line and len(line) > 76] == []
    for word in words:
        # Whole characters: each word is UTF-8 by itself.
        [(octets, charset)] = decode_header(word)
        assert charset == "utf-8"
        assert octets.decode("utf-8", "strict").encode() == octets


def _decoded(lines, name):
    """Return a field's text as the standard library's older parser reads it."""
    return str(make_header(decode_header("".join(lines).removeprefix(f"{name}: "))))


def test_there_are_titles_in_many_scripts():
    """More than forty, every one of its own."""
    assert len(set(ALL.values())) == len(ALL) >= 40
    assert len(TITLES) > 40


@every_title
def test_a_subject_is_read_back_as_it_was_written(title):
    """By two parsers, letter by letter, from encoded-words that keep their limits."""
    wire = text_header("Subject", title).wire
    lines = _lines(wire)
    assert wire.isascii()
    assert max(map(len, lines)) <= 78
    _assert_encoded_words(lines)
    assert _decoded(lines, "Subject") == title
    parsed = message_from_bytes(wire + b"\r\n", policy=default)["Subject"]
    assert (parsed, parsed.defects) == (title, ())


@every_title
def test_a_subject_by_smtputf8_is_read_back_too(title):
    """There it stands in plain UTF-8, but where folding would change it."""
    lines = _lines(text_header("Subject", title, utf8=True).wire)
    _assert_encoded_words(lines)
    assert max(len(line.encode()) for line in lines) <= 998
    text = "".join(lines).removeprefix("Subject: ")
    assert (text if "=?utf-8?" not in text else _decoded(lines, "Subject")) == title


@every_title
def test_a_name_is_read_back_and_its_address_stays_plain(title):
    """The words before the address decode to the name; the address is never encoded nor cut."""
    wire = mailbox_header("From", title, "news@harbor.example.org").wire
    lines = _lines(wire)
    _assert_encoded_words(lines)
    assert max(map(len, lines)) <= 78
    phrase, address = "".join(lines).removeprefix("From: ").rsplit(" ", 1)
    assert address == "<news@harbor.example.org>"
    if phrase.startswith('"'):
        assert re.sub(r"\\(.)", r"\1", phrase[1:-1]) == title
    else:
        assert str(make_header(decode_header(phrase))) == title
    parsed = message_from_bytes(wire + b"\r\n", policy=default)["From"].addresses
    assert [one.addr_spec for one in parsed] == ["news@harbor.example.org"]


@settings(max_examples=100, deadline=None)
@given(
    text=st.lists(
        st.sampled_from([*ALL.values(), " ", "  ", "=?", "?=", "_", "🇲🇩", "\u0301"]), max_size=4
    ),
    name=st.sampled_from(["Subject", "X", "A-Name-Of-Thirty-Characters-Or-So"]),
)
def test_titles_put_together_keep_the_limits_under_any_field_name(text, name):
    """However long the text and its field's name are, the limits hold and all is read back."""
    title = "".join(text)
    lines = _lines(text_header(name, title).wire)
    assert max(map(len, lines)) <= 78
    _assert_encoded_words(lines)
    assert _decoded(lines, name) == title
