"""ALeRCE: its servers of ZTF, LSST, stamps, catalogues and TAP."""
