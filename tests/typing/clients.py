"""What a type checker knows of the five clients; checked by test_typing.py, never run."""

from typing import TYPE_CHECKING, reveal_type

from atlasquery import Alerce, Atlas, AtlasForced, LCCServer, SkyPortal

if TYPE_CHECKING:
    # Each client is an instance of its class, not Any.
    reveal_type(Atlas)  # R: atlasquery.atlas.core.AtlasClass
    reveal_type(AtlasForced)  # R: atlasquery.forcedphot.core.AtlasForcedClass
    reveal_type(Alerce)  # R: atlasquery.alerce.core.AlerceClass
    reveal_type(LCCServer)  # R: atlasquery.lccserver.core.LCCServerClass
    reveal_type(SkyPortal)  # R: atlasquery.skyportal.core.SkyPortalClass

    # What all of them have.
    reveal_type(Atlas.quota())  # R: atlasquery.service.quota.Quota
    reveal_type(SkyPortal.login(token="x"))  # R: bool
    reveal_type(Alerce.server)  # R: str

    # Methods know their arguments.
    Atlas.query_region("10:00:24 +02:12:00", radius="30 arcsec", nearest=True)
    Atlas.query_region("10:00:24 +02:12:00", nearset=True)  # E: call-arg
    Atlas.get_source(1121527471171225800, cache="no")  # E: arg-type
    Atlas.get_light_curve(1121527471171225800, start="2026-01-01")
    Atlas.get_light_curve()  # E: call-arg
    Alerce.get_light_curve("ZTF20aaelulu", survey=3)  # E: arg-type
    AtlasForced.query_position("10:00:24 +02:12:00", progress=False)
    AtlasForced.submit(comment=3)  # E: arg-type
    LCCServer.query_region("10:00:24 +02:12:00", radius="1 arcmin", wait="no")  # E: arg-type
    SkyPortal.get_source(3.5)  # E: arg-type
    SkyPortal.get_photometry("2026abc", deduplicate="no")  # E: arg-type

    # A misspelled method is an error for each of them.
    Atlas.get_sauce(1)  # E: attr-defined
    AtlasForced.get_sauce(1)  # E: attr-defined
    Alerce.get_sauce(1)  # E: attr-defined
    LCCServer.get_sauce(1)  # E: attr-defined
    SkyPortal.get_sauce(1)  # E: attr-defined
