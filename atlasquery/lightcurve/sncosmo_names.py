"""The names that SNCosmo has for bands."""

__all__ = ["SNCOSMO_NAMES"]

_NAMES = """
2massh 2massj 2massks 4shooter2::b 4shooter2::i 4shooter2::r 4shooter2::us 4shooter2::v
acswf::f606w acswf::f775w acswf::f850lp atlasc atlaso bessellb besselli bessellr
bessellux bessellv cspb cspg csphd csphs cspi cspjd cspjs cspk cspr cspu cspv3009
cspv3014 cspv9844 cspyd cspys desg desi desr desu desy desz euclidh euclidj euclidvis
euclidy f062 f070w f087 f090w f098m f1000w f105w f106 f1065c f110w f1130w f1140c f115w
f125w f127m f1280w f129 f139m f140m f140w f146 f1500w f150w f153m f1550c f158 f160w
f162m f1800w f182m f184 f200w f2100w f210m f213 f218w f225w f2300c f250m f2550w f275w
f277w f300m f300x f335m f336w f350lp f356w f360m f390w f410m f430m f435w f438w f444w
f460m f475w f480m f555w f560w f606w f625w f689m f763m f770w f775w f845m f850lp gaia::g
gaia::gbp gaia::grp gaia::grvs galex::fuv galex::nuv gotob gotog gotol gotor hsc::g
hsc::i hsc::i2 hsc::r hsc::r2 hsc::y hsc::z kepler keplercam::b keplercam::i
keplercam::r keplercam::us keplercam::v lsstg lssti lsstr lsstu lssty lsstz megacam6::g
megacam6::i megacam6::i2 megacam6::r megacam6::z megacampsf::g megacampsf::i
megacampsf::r megacampsf::u megacampsf::y megacampsf::z nicf110w nicf160w nicmos2::f110w
nicmos2::f160w ps1::g ps1::i ps1::open ps1::r ps1::w ps1::y ps1::z sdss::g sdss::i
sdss::r sdss::u sdss::z sdssg sdssi sdssr sdssu sdssz skymapperg skymapperi skymapperr
skymapperu skymapperz standard::b standard::i standard::r standard::u standard::v
swope2::b swope2::g swope2::h swope2::i swope2::j swope2::r swope2::u swope2::v
swope2::v1 swope2::v2 swope2::y tess ultrasat uvf475w uvf555w uvf606w uvf625w uvf775w
uvf814w uvf850lp uvot::b uvot::u uvot::uvm2 uvot::uvw1 uvot::uvw2 uvot::v uvot::white
ztf::g ztf::i ztf::r ztfg ztfi ztfr
"""
#: Those of its release 2.13; its registry can be asked only where it is installed.
SNCOSMO_NAMES = frozenset(_NAMES.split())
