"""The supernova that all simulated services have: an object of the simulated ALeRCE."""

from atlasquery.sandbox.alerce import sky

ZTF = "ZTF18aaaaaaa"
RA, DEC = sky.position(0)
