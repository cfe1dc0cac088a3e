"""The bundle: one ASiC-E file with all evidence of a ticket."""
