"""The headers of each response of HTTP, also of a refusal of what cannot be parsed."""

from collections.abc import Mapping

SAFE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""Headers of each response: nothing from elsewhere runs in the page, and no other page shows or
reads it (docs/web.md)."""

LINES = "".join(f"{name}: {value}\r\n" for name, value in SAFE_HEADERS.items())
"""The same as lines, for responses that are made without an `Exchange`."""
