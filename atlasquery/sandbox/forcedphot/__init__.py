"""The embedded server of ATLAS forced photometry."""
