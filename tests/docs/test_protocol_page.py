"""docs/protocol.md: its test vectors, its list of problems, its client as far as it needs no server."""

import ast
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rollout.adapters.signature.claim import parse
from rollout.adapters.signature.form import signature_base
from rollout.adapters.signature.key import decode, public_key
from rollout.adapters.signature.signer import public_text, sign
from tests.docs.pages import DOCS, blocks
from tests.docs.slugs import collected

KEYS = {
    "ed25519": Ed25519PrivateKey.from_private_bytes(b"\x07" * 32),
    "ecdsa-p256-sha256": ec.derive_private_key(0xC0FFEE, ec.SECP256R1()),
}
CREATED = 1_790_000_000


def fields(label):
    (text,) = blocks("protocol.md", f"text {label}")
    return dict(line.split(": ", 1) for line in text.splitlines())


@pytest.fixture
def body():
    (text,) = blocks("protocol.md", "json vector-body")
    return text.removesuffix("\n").encode()


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_vectors_of_the_page_are_accepted_and_speak_of_the_shown_keys(body, algorithm):
    shown = fields(f"vector-{algorithm}")
    assert len(body) == 122
    assert shown["public_key"] == public_text(KEYS[algorithm])
    claim = parse({name: value for name, value in shown.items() if name != "public_key"})
    claim.check(public_key(decode(shown["public_key"])), "POST", "/v1/beats", body, CREATED)
    (base,) = blocks("protocol.md", "text vector-base")
    signed = signature_base("POST", "/v1/beats", claim.digest, claim.parameters).decode()
    assert signed == base.removesuffix("\n").replace('alg="ed25519"', f'alg="{algorithm}"')


def test_the_signature_of_the_page_is_what_our_own_signer_makes(body):
    shown = fields("vector-ed25519")
    assert sign(KEYS["ed25519"], "h-1", "POST", "/v1/beats", body, CREATED) == {
        name: value for name, value in shown.items() if name != "public_key"
    }


def test_every_problem_of_the_code_stands_on_the_page_and_no_other():
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", (DOCS / "protocol.md").read_text(), re.MULTILINE)
    page = {int(status): set(re.findall(r"`([^`]+)`", slugs)) for status, slugs in rows}
    code = collected()
    wanted = "\n".join(f"| {each} | {', '.join(f'`{s}`' for s in sorted(code[each]))} |" for each in sorted(code))
    assert page == code, f"the table in docs/protocol.md should read:\n{wanted}"


def test_the_client_of_the_page_is_python_and_stands_there_once():
    (client,) = blocks("protocol.md", "python agent.py")
    ast.parse(client)
    assert max(map(len, client.splitlines())) <= 120
