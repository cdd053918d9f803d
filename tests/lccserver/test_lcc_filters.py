"""Filters: what is sent, what should be run, and what is refused."""

import pytest

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lccserver.columns import Description
from atlasquery.lccserver.filters import parse_filter

COLUMNS = {name: Description("<f8") for name in ("sdssr", "sdssg", "propermotion", "decl")}
COLUMNS |= {name: Description("<U23") for name in ("objecttags", "gaia_id")}
COLUMNS |= {"ndet": Description("<i8"), "odd": Description("V8"), "my_index": Description("f8")}


@pytest.mark.parametrize(
    ("text", "sent", "ran"),
    [
        ("sdssr < 13", "(sdssr lt 13)", "(sdssr < 13)"),
        ("sdssr<13&propermotion>=50", "(sdssr lt 13) and (propermotion ge 50)",
         "(sdssr < 13) and (propermotion >= 50)"),
        ("SDSSR", None, None),
        ("(sdssr lt 13) and (ndet ne 3)", "((sdssr lt 13)) and ((ndet ne 3))",
         "((sdssr < 13)) and ((ndet != 3))"),
        ("sdssr < 1 | sdssr > 2 & ndet == 5", "((sdssr lt 1) or (sdssr gt 2) and (ndet eq 5))",
         "((sdssr < 1) or (sdssr > 2) and (ndet = 5))"),
        ("13 > sdssr", "(sdssr lt 13)", "(sdssr < 13)"),
        ("1 < sdssr <= 2", "(sdssr gt 1) and (sdssr le 2)", "(sdssr > 1) and (sdssr <= 2)"),
        ("sdssr < sdssg", "(sdssr lt sdssg)", "(sdssr < sdssg)"),
        ("objecttags ct 'RRab'", "(objecttags ct 'RRab')", "(objecttags like '%RRab%')"),
        ('gaia_id == "2000000000000000003"', "(gaia_id eq '2000000000000000003')",
         "(gaia_id = '2000000000000000003')"),
        ("sdssg is not null", "(sdssg notnull)", "(sdssg notnull)"),
        ("sdssg isnull", "(sdssg isnull)", "(sdssg isnull)"),
        ("dec between -5.5e0 and +3.", "((decl ge -5.5e0) and (decl le +3.))",
         "((decl >= -5.5e0) and (decl <= +3.))"),
        ("not sdssr < 1", "not ((sdssr lt 1))", "not ((sdssr < 1))"),
        ("objecttags eq 'lt'", "(objecttags eq 'lt')", "(objecttags = 'lt')"),
        ("odd > 3", "(odd gt 3)", "(odd > 3)"),
        ("objecttags == 'a_b'", "(objecttags eq 'a_b')", "(objecttags = 'a_b')"),
    ],
)  # fmt: skip
def test_what_is_sent_and_should_be_run(text, sent, ran):
    if sent is None:
        with pytest.raises(InvalidQueryError, match=r"did you mean|is not a column"):
            parse_filter(text, COLUMNS)
        return
    result = parse_filter(text, COLUMNS)
    assert (result.sent, result.ran) == (sent, ran)


def test_no_filter_is_none():
    assert parse_filter(None, COLUMNS) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "should be an expression"),
        (5, "should be an expression"),
        ("(objecttags ct RRab)", "If it is a string, put it in quotes: 'RRab'"),
        ("(sdssr < 13", "parenthesis that is not closed"),
        ("sdssr < 13)", "does not belong there"),
        ("sdssr <", "has no column or value"),
        ("sdssr", "has no comparison"),
        ("sdssr < 13 and", "has no column or value"),
        ("1 < 2", "no column"),
        ("sdsr < 3", "did you mean 'sdssr'"),
        ("abs(sdssr) < 3", "has a function"),
        ("sdssr + 1 < 3", "cannot be read"),
        ("sdssr in (1, 2)", "cannot be read"),
        ("sdssr < 13; drop table", "cannot be read"),
        ("sdssr < 0x10", "cannot be read"),
        ("sdssr < 13mag", "cannot be read"),
        ("sdssr < nan", "'nan'"),
        ("objecttags ct 'eclipsing binary'", "looked for with ct: 'eclipsing'"),
        ("objecttags == ''", "use isnull"),
        ("objecttags ct '50%'", "'%'"),
        ("gaia_id ct '2_0000'", "look for '0000', and cut the result"),
        ("gaia_id ct '_'", "takes for any character"),
        ("sdssr < \u0661\u0663", "cannot be read"),
        ('objecttags ct "it\'s"', '"\'"'),
        ("objecttags ct 'a&b'", "'&'"),
        ("objecttags ct 'a(b'", "'('"),
        ("objecttags ct '\u00e9'", "\u00e9"),
        ("objecttags == 'update'", "'update' in it"),
        ("my_index > 3", "'index' in it"),
        ("gaia_id > 3", "holds strings, with a number"),
        ("sdssr == 'faint'", "holds numbers, with a string"),
        ("'a' ct objecttags", "wrong side"),
        ("sdssr < objecttags", "another type"),
        ("sdssg is 5", "isnull"),
        ("sdssr between 1 or 2", "between ... and"),
        (" & ".join(["sdssr < 13.123456"] * 60), "cuts it at 1000"),
    ],
)
def test_what_the_server_would_drop_or_misread_is_refused(text, message):
    with pytest.raises(InvalidQueryError) as caught:
        parse_filter(text, COLUMNS)
    assert message in str(caught.value) and str(caught.value).startswith("filters")
