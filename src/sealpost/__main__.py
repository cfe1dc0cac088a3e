"""``python -m sealpost``."""

from sealpost.cli.main import main

main()
