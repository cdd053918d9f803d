"""A supernova of the sandbox's sky, which all its services see."""

from atlasquery.sandbox.sky import objects

OBJECT = objects()[1]
RA, DEC = OBJECT.ra, OBJECT.dec
ATLAS, ZTF, LSST = OBJECT.atlas_name, OBJECT.ztf_name, str(OBJECT.lsst_id)
LCC, TNS = OBJECT.lcc_name, OBJECT.tns_name
