"""`python -m whenthen`."""

from whenthen.cli import main

main()
