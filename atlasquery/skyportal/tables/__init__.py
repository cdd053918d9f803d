"""From what is received to tables: columns, their decoders, bands, and light curves."""
