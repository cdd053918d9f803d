"""The embedded servers of ALeRCE."""
