"""The staged driver-rollout safety orchestrator: pure stages, ports, operations, adapters, services."""
