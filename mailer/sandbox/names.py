"""Names to invent people from, in the scripts of eight languages.

In: nothing. Out: per language, given and family names with their Latin spelling. Each name is
common on its own; whom they make together nobody is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: A name in its script, and as it stands in a mail address.
Name = tuple[str, str]


@dataclass(frozen=True)
class NamePool:
    """Given names, and family names in the form that goes with them."""

    women: tuple[Name, ...]
    men: tuple[Name, ...]
    families_f: tuple[Name, ...]
    families_m: tuple[Name, ...]


def _pool(women: str, men: str, families_f: str, families_m: str = "") -> NamePool:
    """Build a pool from "name/latin name/latin"; a no-break space stands for a space in a name."""
    return NamePool(
        _names(women), _names(men), _names(families_f), _names(families_m or families_f)
    )


def _names(text: str) -> tuple[Name, ...]:
    pairs = (one.partition("/") for one in text.split(" "))
    return tuple((name.replace("\u00a0", " "), latin or name.lower()) for name, _, latin in pairs)


NAMES: Mapping[str, NamePool] = {
    "en": _pool(
        "Alice Bridget Carol Deirdre Fiona Grace Harriet Imogen Joan Maeve Nora Ruth",
        "Adam Brendan Colin Declan Edmund Hugh Ivor Miles Owen Rory Simon Walter",
        "Ashdown Birchwood Calloway Dunmore Eastlake Fairbank Greystone Hollins Kinsale Larkhill "
        "Millbrook Netherby Oakhurst Pendleby Thornby",
    ),
    "ru": _pool(
        "Алёна/alyona Вера/vera Галина/galina Дарья/darya Зоя/zoya Ирина/irina Ксения/ksenia "
        "Лариса/larisa Майя/maya Нина/nina Полина/polina Тамара/tamara",
        "Артём/artyom Борис/boris Глеб/gleb Егор/yegor Игнат/ignat Кирилл/kirill Лев/lev "
        "Матвей/matvey Олег/oleg Роман/roman Семён/semyon Фёдор/fyodor",
        "Берегова/beregova Волнорезова/volnorezova Гаванская/gavanskaya Донышкина/donyshkina "
        "Ельникова/yelnikova Закатова/zakatova Ивушкина/ivushkina Ключникова/klyuchnikova "
        "Лодкина/lodkina Маячная/mayachnaya Перелескова/pereleskova Ручьёва/ruchyova "
        "Тополёва/topolyova Щеглова/shcheglova",
        "Берегов/beregov Волнорезов/volnorezov Гаванский/gavansky Донышкин/donyshkin "
        "Ельников/yelnikov Закатов/zakatov Ивушкин/ivushkin Ключников/klyuchnikov "
        "Лодкин/lodkin Маячный/mayachny Перелесков/pereleskov Ручьёв/ruchyov "
        "Тополёв/topolyov Щеглов/shcheglov",
    ),
    "uk": _pool(
        "Богдана/bohdana Віра/vira Ганна/hanna Дарина/daryna Зоряна/zoriana Інна/inna "
        "Леся/lesia Марта/marta Оксана/oksana Роксоляна/roksoliana Соломія/solomiia Уляна/uliana",
        "Андрій/andrii Богдан/bohdan Гнат/hnat Данило/danylo Євген/yevhen Захар/zakhar "
        "Ігор/ihor Левко/levko Микола/mykola Остап/ostap Тарас/taras Юрій/yurii",
        "Бережанюк/berezhaniuk Вітровенко/vitrovenko Гайворіжко/haivorizhko Джерелюк/dzhereliuk "
        "Зеленогай/zelenohai Калиненко/kalynenko Лугівчук/luhivchuk Маяченко/maiachenko "
        "Паливода/palyvoda Ростовець/rostovets Степовик/stepovyk Терненко/ternenko "
        "Яблучко/yabluchko",
    ),
    "be": _pool(
        "Алеся/alesia Вольга/volha Ганна/hanna Зоська/zoska Кацярына/katsiaryna Любоў/liubou "
        "Марыя/maryia Наста/nasta Паўліна/paulina Яніна/yanina",
        "Алесь/ales Васіль/vasil Зміцер/zmitser Кастусь/kastus Лявон/liavon Міхась/mikhas "
        "Пятро/piatro Рыгор/ryhor Сымон/symon Язэп/yazep",
        "Баравік/baravik Верасень/verasen Гуменнік/humennik Жаўрук/zhauruk Каляда/kaliada "
        "Лазарэвіч/lazarevich Нёманчык/niomanchyk Палянскі/palianski Рабіна/rabina "
        "Сасноўка/sasnouka Чаромха/charomkha",
    ),
    "ro": _pool(
        "Ana/ana Corina/corina Doina/doina Elena/elena Ilinca/ilinca Lăcrămioara/lacramioara "
        "Mădălina/madalina Natalia/natalia Ruxandra/ruxandra Ștefania/stefania Viorica/viorica",
        "Alexandru/alexandru Bogdan/bogdan Ciprian/ciprian Dumitru/dumitru Grigore/grigore "
        "Ionuț/ionut Mircea/mircea Octavian/octavian Ștefan/stefan Vlad/vlad",
        "Arțăraș/artaras Brădeanu/bradeanu Codreanca/codreanca Fântânaru/fantanaru "
        "Ghiocel/ghiocel Izvoranu/izvoranu Mesteacăn/mesteacan Prutescu/prutescu "
        "Răchitaru/rachitaru Sălcianu/salcianu Teișanu/teisanu Țărmureanu/tarmureanu",
    ),
    "ky": _pool(
        "Айгүл/aigul Айсулуу/aisuluu Бермет/bermet Гүлнара/gulnara Жылдыз/jyldyz Канышай/kanyshai "
        "Мээрим/meerim Нурзат/nurzat Сайкал/saikal Чолпон/cholpon",
        "Азамат/azamat Бакыт/bakyt Данияр/daniyar Жолдош/joldosh Кубат/kubat Мелис/melis "
        "Нурлан/nurlan Руслан/ruslan Талант/talant Эрмек/ermek",
        "Алатоо\u00a0кызы/alatoo Булакбаева/bulakbaeva Жайлообекова/jailoobekova "
        "Көлбаева/kolbaeva Тоошева/toosheva Чынарова/chynarova",
        "Алатоо\u00a0уулу/alatoo Булакбаев/bulakbaev Жайлообеков/jailoobekov "
        "Көлбаев/kolbaev Тоошев/tooshev Чынаров/chynarov",
    ),
    "fa": _pool(
        "آذر/azar بهار/bahar پریسا/parisa ترانه/taraneh رویا/roya سیمین/simin شیرین/shirin "
        "گلناز/golnaz مهتاب/mahtab نرگس/narges",
        "آرش/arash بابک/babak پویا/pouya داریوش/dariush رامین/ramin سهراب/sohrab کاوه/kaveh "
        "کیان/kian مازیار/maziar نیما/nima",
        "باران‌پور/baranpour چشمه‌زاده/cheshmehzadeh دریاباری/daryabari سپیده‌دم/sepidehdam "
        "شب‌تابی/shabtabi گلستان‌نژاد/golestannejad مهرگانی/mehregani نخل‌آبادی/nakhlabadi",
    ),
    "de": _pool(
        "Annegret/annegret Birgit/birgit Dörte/doerte Elke/elke Frauke/frauke Heike/heike "
        "Käthe/kaethe Liesel/liesel Silke/silke Wiebke/wiebke",
        "Arne/arne Detlef/detlef Eckart/eckart Götz/goetz Henning/henning Jörg/joerg Klaas/klaas "
        "Lüder/lueder Sönke/soenke Volker/volker",
        "Ahornbach/ahornbach Birkenfels/birkenfels Deichgräfin/deichgraefin Fährmann/faehrmann "
        "Hafenkamp/hafenkamp Königsdorn/koenigsdorn Lindenau/lindenau Moorweg/moorweg "
        "Straußfeld/straussfeld Uferlos/uferlos",
    ),
}
