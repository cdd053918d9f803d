"""The embedded SkyPortal."""
