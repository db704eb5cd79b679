"""Storage engines, each of which keeps the promises of `chatservice.domain.ports`."""
