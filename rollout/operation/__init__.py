"""One file per act: stages and ports, nothing else."""
