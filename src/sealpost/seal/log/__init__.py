"""The transparency log: its tree in tiles, and the folder that keeps it outside the database."""
