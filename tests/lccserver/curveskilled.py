"""What a process does that may be killed: fetch the light curves of a dataset."""

from pathlib import Path

from astropy.config import set_temp_cache, set_temp_config

from atlasquery.lccserver import LCCServerClass, conf

PIECE = 5000


def fetch(url, setid, folder):
    """Fetch a ZIP in small pieces, from wherever the folder says that it is."""
    folder = Path(folder)
    with (
        set_temp_cache(str(folder / "cache")),
        set_temp_config(str(folder / "config")),
        conf.set_temp("piece_bytes", PIECE),
    ):
        client = LCCServerClass(url)
        client.cache_location = folder / "answers"
        return client.get_light_curves(setid)
