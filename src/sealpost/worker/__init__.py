"""Binds jobs and timer loops to use cases; it decides nothing itself."""
