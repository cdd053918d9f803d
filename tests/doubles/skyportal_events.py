"""Routes of the SkyPortal double for galaxies, events, charts and analyses."""
