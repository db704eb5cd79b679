"""Push messages as bytes: what RFC 8291 shows, and what an independent program decrypts."""

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from chatservice.net import webpush
from chatservice.net.webpush import PAYLOAD_BYTES, ServerKey, decode, encode

CURVE = ec.SECP256R1()


def private(text):
    """Return a private key, of base64url."""
    return ec.derive_private_key(int.from_bytes(decode(text), "big"), CURVE)


def test_the_example_of_rfc_8291():
    """RFC 8291, appendix A: with its keys and its salt, the message is the one shown there."""
    message = webpush.encrypt(
        b"When I grow up, I want to be a watermelon",
        public=decode(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ),
        secret=decode("BTBZMqHH6r4Tts7J_aSIgg"),
        key=private("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        salt=decode("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert encode(message) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg"
        "Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVB"
        "St2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=PAYLOAD_BYTES) | st.just(bytes(PAYLOAD_BYTES)))
def test_another_program_decrypts_it(payload):
    """http_ece, which shares no code with the server, decrypts every payload that may be, and the
    message fits into one record."""
    key, secret = ec.generate_private_key(CURVE), bytes(range(16))
    message = webpush.encrypt(payload, webpush._point(key), secret)
    assert len(message) <= webpush.RECORD_BYTES
    assert http_ece.decrypt(message, private_key=key, auth_secret=secret) == payload


GOOD = webpush._point(ec.generate_private_key(CURVE))


@pytest.mark.parametrize(
    ("public", "secret"),
    [
        (encode(GOOD[:-1]), encode(bytes(16))),
        (encode(GOOD[:-1] + bytes([GOOD[-1] ^ 1])), encode(bytes(16))),
        (encode(GOOD), encode(bytes(15))),
        (encode(GOOD), "\u00e9" * 22),
        ("", ""),
    ],
    ids=["short", "no point", "short secret", "not ASCII", "empty"],
)
def test_keys_that_are_none(public, secret):
    """They are refused before anything is stored: a point off the curve would tell of the key that
    it is used with (RFC 8291, 7)."""
    webpush.check_keys(encode(GOOD), encode(bytes(16)))
    with pytest.raises(ValueError, match=r".+"):
        webpush.check_keys(public, secret)


@pytest.mark.parametrize("length", [0, 28, 90])
def test_a_damaged_key_of_the_server(length):
    """It is refused in any case by the one exception that is promised."""
    pem = ServerKey.made()[:length]
    with pytest.raises(ValueError, match=r".+"):
        ServerKey(pem)
