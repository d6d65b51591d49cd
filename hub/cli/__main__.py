"""`python -m hub.cli`: the `roamhub` command, for processes that this one starts."""

from hub.cli import main

main()
