"""The coverage report: which editions would serve those who go without one of their own."""

from mailer.audience.coverage import coverage
from tests.support.audience_world import NOW, OnList, Row, World, a_list, resolve


def test_missing_editions_are_named_by_the_script_their_readers_read(store):
    """Who reads zh-TW is not served by zh, nor sr-ME by sr; regions alone make no difference."""
    news = a_list("a-news", "a")
    wanted = [
        "zh-TW",
        "zh-Hant-HK",
        "zh-CN",
        "zh",
        "zh-Hans",
        "sr-ME",
        "sr",
        "uk-UA",
        "uk",
        "ru-MD",
    ]
    people = {
        number: (Row("a", {"a-news": OnList()}, languages=(tag,)),)
        for number, tag in enumerate(wanted)
    }
    list_ids, _ = World((news,), people).write(store)
    with store.read() as connection:
        found = coverage(connection, [(list_ids["a-news"], news)], None, None, resolve, NOW)
    assert (("zh", 3), ("uk", 2), ("zh-Hant", 2), ("sr", 1), ("sr-Latn", 1)) == found.missing
    assert (1, 9) == (found.first, found.fallback)
