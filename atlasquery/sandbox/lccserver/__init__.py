"""The embedded LCC-Server."""
