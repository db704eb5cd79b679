"""Storage engines, each of which keeps the promises of `chatservice.domain.ports`.

Engines share the `registry` of rooms and accounts (`roomregistry` and `accountregistry`), which
each engine gives its own `tables`; the names of guests (`localclaims`); `blocks` as bytes; the
`queries` of a search; checks of passwords (`credentials`); locks (`keyedlock`).
"""
