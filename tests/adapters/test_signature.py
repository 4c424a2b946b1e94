"""Message signatures of hosts: what is accepted, and every way to be refused."""

import base64
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.adapters.signature.claim import is_signed, parse
from rollout.adapters.signature.form import content_digest
from rollout.adapters.signature.key import decode, public_key
from rollout.adapters.signature.signer import public_text, sign
from rollout.errors import MalformedError, UnauthenticatedError

ED = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
P256 = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
NOW = 1_790_000_000
BODY = b'{"host":"h-1"}'


def verify(headers, key=ED, method="POST", path="/v1/adoptions", body=BODY, now=NOW):
    claim = parse(headers)
    claim.check(public_key(decode(public_text(key))), method, path, body, now)
    return claim


def signed(key=ED, **other):
    return sign(
        key, **({"host": "h-1", "method": "POST", "path": "/v1/adoptions", "body": BODY, "created": NOW} | other)
    )


@pytest.mark.parametrize("key", [ED, P256])
def test_a_host_is_known_by_the_signature_of_its_key(key):
    claim = verify(signed(key), key)
    assert (claim.keyid, claim.created) == ("h-1", NOW)


def test_the_signature_base_is_that_of_the_rfc_to_the_letter():
    headers = signed()
    base = (
        '"@method": POST\n"@path": /v1/adoptions\n'
        f'"content-digest": {headers["content-digest"]}\n'
        '"@signature-params": ("@method" "@path" "content-digest");created=1790000000;keyid="h-1";alg="ed25519"'
    )
    assert headers["signature"] == f"host=:{base64.b64encode(ED.sign(base.encode())).decode()}:"


def test_the_digest_is_that_of_rfc_9530s_own_example():
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def test_parameters_may_stand_in_any_order():
    parameters = '("@method" "@path" "content-digest");alg="ed25519";keyid="h-1";created=1790000000'
    headers = signed()
    base = f'"@method": POST\n"@path": /v1/adoptions\n"content-digest": {headers["content-digest"]}\n'
    signature = base64.b64encode(ED.sign(f'{base}"@signature-params": {parameters}'.encode())).decode()
    verify(headers | {"signature-input": f"host={parameters}", "signature": f"host=:{signature}:"})


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"path": "/v1/crashes"},
        {"body": BODY + b" "},
        {"key": Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)},
        {"key": P256},
        {"now": NOW + 301},
        {"now": NOW - 301},
        {"now": float("nan")},
        {"path": '/v1/adoptions\n"@path": /x'},
    ],
)
def test_a_signature_is_good_for_one_request_one_key_and_five_minutes(changed):
    verify(signed(), now=NOW + 300)
    with pytest.raises(UnauthenticatedError):
        verify(signed(), **changed)


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("signature-input", "host=", "proxy="),
        ("signature-input", ' "content-digest"', ""),
        ("signature-input", '"@path"', '"@path";req'),
        ("signature-input", ";created=1790000000", ""),
        ("signature-input", ";created=1790000000", ";created=-1"),
        ("signature-input", ";created=1790000000", ";created=01790000000"),
        ("signature-input", ";created=1790000000", ";created=1790000000;created=1790000000"),
        ("signature-input", 'alg="ed25519"', 'alg="hmac-sha256"'),
        ("signature-input", 'alg="ed25519"', 'alg="ecdsa-p256-sha256"'),
        ("signature-input", 'keyid="h-1"', 'keyid="h-2"'),
        ("signature-input", 'keyid="h-1"', 'keyid="h\\"1"'),
        ("signature-input", 'alg="ed25519"', 'alg="ed25519";tag="x"'),
        ("signature-input", "host=", "host=(), host="),
        ("signature", "host=:", "host=:AA"),
        ("signature", "host=", "sig1="),
        ("content-digest", "sha-256", "sha-512"),
        ("content-digest", "sha-256=", "md5=:AAAA:, sha-256="),
    ],
)
def test_any_other_shape_is_refused(field, old, new):
    headers = signed()
    assert old in headers[field]
    with pytest.raises(UnauthenticatedError):
        verify(headers | {field: headers[field].replace(old, new)})


def test_a_field_missing_or_sent_twice_is_refused():
    pairs = [(name.encode(), value.encode()) for name, value in signed().items()]
    verify(pairs)
    assert is_signed(pairs)
    assert not is_signed(pairs[:1])
    for at in range(3):
        for wrong in (pairs[:at] + pairs[at + 1 :], [*pairs, pairs[at]]):
            with pytest.raises(UnauthenticatedError):
                verify(wrong)


VALUES = st.binary(max_size=300) | st.from_regex(
    rb'host=\("@method" "@path" "content-digest"\)(;(created|keyid|alg)=("[a-z0-9]*"|[0-9]*)){0,4}', fullmatch=True
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([b"Signature-Input", b"Signature", b"content-digest"]), VALUES), max_size=4),
    st.text(max_size=20),
)
def test_no_bytes_raise_anything_but_unauthenticated(pairs, path):
    good = [(name.encode(), value.encode()) for name, value in signed().items()]
    with suppress(UnauthenticatedError):
        verify(pairs, path=path)
    with suppress(UnauthenticatedError):
        verify([*good[: len(pairs)], *pairs], path=path, method=path)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=90) | st.binary(max_size=70).map(lambda raw: base64.b64encode(raw).decode()))
def test_a_key_is_one_of_two_kinds_or_malformed(text):
    with suppress(MalformedError):
        assert len(decode(text)) in (32, 33, 65)


def test_one_key_has_one_spelling():
    text = public_text(ED)
    other = text[:-2] + chr(ord(text[-2]) + 1) + "="
    assert base64.b64decode(other) == base64.b64decode(text)
    with pytest.raises(MalformedError):
        decode(other)
