"""How objects and collections show themselves."""

import gzip
import html
import re
from html.parser import HTMLParser

import msgspec
import pytest

from atlasquery.atlas import AtlasClass, AtlasSource
from atlasquery.atlas.collection import Collection
from atlasquery.tables.html import link, plain_text

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>\x1b[31m'
KNOWN_TAGS = {"table", "caption", "tr", "th", "td", "svg", "title", "path", "circle", "text"}
KNOWN_TAGS |= {"tspan", "a", "p"}


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links = [], set(), []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        names = dict(attributes)
        assert not [name for name in names if name.startswith("on")]
        if "href" in names:
            self.links.append(names["href"])
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def atlas(sandbox):
    atlas = AtlasClass(server=sandbox.url)
    atlas.login(token=sandbox.token)
    return atlas


@pytest.fixture
def source(atlas, sandbox):
    return atlas.get_source(sandbox.manifest["ids"]["supernova"][2], cache=False)


def changed(source, product, **values):
    """Return the same object as a server would send it with other values."""
    item = dict(source._item)
    rows = msgspec.json.decode(item[product])
    for row in rows if isinstance(rows, list) else [rows]:
        row.update(values)
    item[product] = msgspec.Raw(msgspec.json.encode(rows))
    return AtlasSource(item, window=(None, None), meta=source._meta)


def test_a_notebook_is_shown_what_is_known(source, sandbox):
    text = source._repr_html_()
    page = Tags(text)
    assert page.tags <= KNOWN_TAGS
    shown = " ".join(html.unescape(re.sub("<[^>]+>", " ", text)).split())
    place = source.coordinates
    for expected in (
        source.name,
        f"SN {source.info['tns_name']}",
        str(source.atlas_id),
        place.to_string("hmsdms", precision=2),
        f"{place.ra.deg:.6f} {place.dec.deg:+.6f} deg",
        "NGC 4502",
        "2.11 arcsec" if "2.11 arcsec" in shown else "arcsec",
        f"{int(source.light_curve['detection'].sum())}, and",
        f"{len(source.forced_photometry)} measurements",
    ):
        assert expected in shown
    assert page.links[0] == f"{sandbox.url.removesuffix('api/')}candidate/{source.atlas_id}/"
    assert f"https://www.wis-tns.org/object/{source.info['tns_name']}" in page.links


def test_a_terminal_is_shown_the_same(source):
    lines = str(source).splitlines()
    assert lines[0].startswith(source.name)
    assert f"ATLAS id  {source.atlas_id}" in lines[1]
    assert any(line.strip().startswith("Detections  ") for line in lines)
    assert repr(source).count("\n") == 0
    assert not re.search(r"<(em|a|b)\b", str(source))


@pytest.mark.parametrize(
    ("product", "columns"),
    [
        (
            "object",
            "atlas_designation other_designation observation_status local_comments "
            "sherlockClassification",
        ),
        ("sherlock_classifications", "classification summary annotation"),
        ("sherlock_crossmatches", "catalogue_object_id catalogue_table_name"),
        ("tns_crossmatches", "external_designation type url comments"),
        ("lc", "filter expname"),
        ("lcnondets", "filter expname"),
    ],
)
def test_no_text_of_the_server_is_markup(source, product, columns):
    evil = changed(source, product, **dict.fromkeys(columns.split(), EVIL))
    page = Tags(evil._repr_html_())
    assert page.tags <= KNOWN_TAGS
    assert all(address.startswith(("http://", "https://")) for address in page.links)
    assert all(re.fullmatch(r"[!-~]+", address) for address in page.links)
    assert "\x1b" not in str(evil)
    found = Collection("AtlasSource", lambda *a, **k: {})
    found._add(evil.atlas_id, evil, evil._item, 0.0)
    found.failures.append((1, ValueError(EVIL)))
    assert Tags(found._repr_html_()).tags <= KNOWN_TAGS
    assert "\x1b" not in str(found)


def test_what_is_not_shown_is_not_decoded(source):
    source._repr_html_()
    str(source)
    assert "forced_photometry" not in vars(source)


def test_an_object_of_which_little_is_known_is_shown(source):
    for product in ("lc", "lcnondets", "fp", "sherlock_crossmatches", "sherlock_classifications"):
        source._item[product] = msgspec.Raw(b"null")
    nowhere = changed(source, "object", ra=None, dec=None, atlas_designation=None)
    assert Tags(nowhere._repr_html_()).tags <= KNOWN_TAGS - {"svg"}
    assert str(nowhere.atlas_id) in str(nowhere)


def test_a_collection_is_shown_by_its_first(source):
    class Counted(Collection):
        asked = 0

        def __getitem__(self, key):
            type(self).asked += 1
            return super().__getitem__(key)

    found = Counted("AtlasSource", lambda *a, **k: {})
    for n in range(1000):
        found._add(source.atlas_id + n, source, source._item, 0.0)
    found.failures = [(n, ValueError("no")) for n in range(50)]
    text = found._repr_html_()
    assert "Collection of 1000 AtlasSource, 50 failed" in text
    assert text.count("<svg") == 10
    assert "and 990 more" in text
    assert "and 45 more" in text
    assert len(text) < 300_000
    assert len(str(found).splitlines()) == 18
    assert Counted.asked <= 20


def test_a_collection_of_light_curves_is_shown(atlas, sandbox):
    curves = atlas.get_light_curves(sandbox.manifest["ids"]["main"][:3], progress=False)
    text = curves._repr_html_()
    assert Tags(text).tags <= KNOWN_TAGS
    assert text.count("<svg") == 3
    assert len(str(curves).splitlines()) == 4


@pytest.mark.parametrize("kind", ["sn", "pm", "md"])
def test_real_objects_are_shown(kind, shared):
    (path,) = (shared / "data" / "atlas").glob(f"*_{kind}.json.gz")
    item = msgspec.json.decode(gzip.decompress(path.read_bytes()), type=dict[str, msgspec.Raw])
    server = "https://psweb.mp.qub.ac.uk/sne/atlas4/api/"
    real = AtlasSource(item, window=(None, None), meta={"server": server})
    text = real._repr_html_()
    page = Tags(text)
    assert page.tags <= KNOWN_TAGS
    assert page.links[0] == f"https://psweb.mp.qub.ac.uk/sne/atlas4/candidate/{real.atlas_id}/"
    assert len(text) < 60_000


def test_only_addresses_of_the_web_are_links():
    assert link("javascript:alert(1)", "x") == "x"
    assert link('https://a.b/"onclick="x', "x").count('"') == 6
    assert link("https://a.b/ c", "<x>") == "&lt;x&gt;"


def test_markup_is_taken_out_of_texts():
    assert plain_text("a <em>b</em>  <a href='x'>c</a> 1 < 2 &amp; 3 > 2") == "a b c 1 < 2 & 3 > 2"
    assert plain_text("x" * 400).endswith("x…")
