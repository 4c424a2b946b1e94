"""`python -m rollout.service.cli`: the same program where no script is installed."""

from rollout.service.cli.main import main

main()
