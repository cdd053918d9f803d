"""The embedded ATLAS Transient Server."""
