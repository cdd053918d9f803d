"""Login with the configuration file of the survey's older client."""

import pytest
from astropy.coordinates import SkyCoord

from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import InvalidQueryError

CENTRE = SkyCoord(150.0, 2.2, unit="deg")


def test_a_file_names_the_server_its_token_is_for(tmp_path, sandbox):
    path = tmp_path / "api_config_MINE.yaml"
    path.write_text(f'token: "{sandbox.token}"\nbase_url: "{sandbox.url}"\n')
    path.chmod(0o600)
    atlas = AtlasClass()
    assert atlas.login(config_file=path)
    assert atlas.server == sandbox.url
    assert atlas.count_region(CENTRE, radius="300 arcsec", cache=False) == 12
    elsewhere = AtlasClass(server="http://127.0.0.1:9/api/")
    with pytest.raises(InvalidQueryError, match=r"has the login of .* is set to use"):
        elsewhere.login(config_file=path)
    assert not elsewhere.authenticated()
