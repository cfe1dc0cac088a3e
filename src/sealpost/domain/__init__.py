"""The pure heart: words, rules and formats, with no I/O, no clock and no randomness of its own."""
