"""Storage engines, each of which keeps the promises of `chatservice.domain.ports`.

What engines have in common: the `registry` of rooms and accounts (`roomregistry` and
`accountregistry`), which each engine gives its own `tables`; the names of guests (`localclaims`);
`blocks` as bytes; what a search looks for (`queries`); checks of passwords (`credentials`); locks
(`keyedlock`).
"""
