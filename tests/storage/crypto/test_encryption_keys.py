"""What is encrypted at rest decrypts where it belongs, with its key, and nowhere else."""

from __future__ import annotations

from base64 import b64encode
from uuid import uuid4

import msgspec
import pytest

from storage.crypto.encryption_keys import (
    NO_KEYS,
    AssociatedData,
    BadEncryptionKeys,
    EncryptionKeys,
    Undecipherable,
    new_key,
    parse_encryption_keys,
)

OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)
PLACE = AssociatedData("secret", uuid4(), "TOKEN")
VALUE = "s3cr3t \N{SNOWMAN}\r\n"


@pytest.mark.parametrize("value", ["", VALUE, "x" * 8_192])
def test_a_value_comes_back(value: str):
    ring = EncryptionKeys([NEW])
    assert ring.open(ring.seal(value, PLACE), PLACE) == value


def test_the_first_key_encrypts_and_all_decrypt():
    old = EncryptionKeys([OLD]).seal(VALUE, PLACE)
    ring = EncryptionKeys([NEW, OLD])
    assert ring.seal(VALUE, PLACE).key_id == "new"
    assert ring.open(old, PLACE) == VALUE


def test_the_same_value_is_never_encrypted_alike():
    ring = EncryptionKeys([NEW])
    contents = {ring.seal(VALUE, PLACE).content for _ in range(100)}
    assert len({content[:12] for content in contents}) == 100
    assert len({content[12:] for content in contents}) == 100


@pytest.mark.parametrize(
    "place",
    [
        AssociatedData("secret", uuid4(), "TOKEN"),
        AssociatedData("secret", PLACE.service_id, "OTHER"),
        AssociatedData("signing secret", PLACE.service_id, "TOKEN"),
    ],
    ids=["another service", "another name", "another kind"],
)
def test_a_value_that_was_moved_does_not_decrypt(place: AssociatedData):
    ring = EncryptionKeys([NEW])
    with pytest.raises(Undecipherable, match="moved"):
        ring.open(ring.seal(VALUE, PLACE), place)


def test_a_value_that_was_changed_does_not_decrypt():
    ring = EncryptionKeys([NEW])
    sealed = ring.seal(VALUE, PLACE)
    for at in range(len(sealed.content)):
        content = bytearray(sealed.content)
        content[at] ^= 1
        with pytest.raises(Undecipherable):
            ring.open(msgspec.structs.replace(sealed, content=bytes(content)), PLACE)
    for content in (b"", sealed.content[:11], sealed.content[:-1]):
        with pytest.raises(Undecipherable):
            ring.open(msgspec.structs.replace(sealed, content=content), PLACE)


def test_the_name_of_the_key_cannot_be_exchanged():
    sealed = EncryptionKeys([NEW]).seal(VALUE, PLACE)
    same_key = EncryptionKeys([("other", NEW[1])])
    with pytest.raises(Undecipherable):
        same_key.open(msgspec.structs.replace(sealed, key_id="other"), PLACE)


def test_a_missing_key_is_named_and_no_value_is():
    sealed = EncryptionKeys([OLD]).seal(VALUE, PLACE)
    with pytest.raises(Undecipherable, match=r"'old'.*TOCSIN_ENCRYPTION_KEYS") as error:
        EncryptionKeys([NEW]).open(sealed, PLACE)
    assert "s3cr3t" not in str(error.value)


def test_without_keys_nothing_is_encrypted():
    with pytest.raises(Undecipherable, match="TOCSIN_ENCRYPTION_KEYS"):
        NO_KEYS.seal(VALUE, PLACE)


def test_a_new_key_is_an_entry_of_a_ring():
    ring = parse_encryption_keys([new_key("k2"), new_key("k1")])
    assert ring.first == "k2"
    assert ring.open(ring.seal(VALUE, PLACE), PLACE) == VALUE


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["c2VjcmV0"], "entry 1"),
        (["k1:"], "entry 1"),
        (["k 1:c2VjcmV0"], "entry 1"),
        ([new_key("k1"), ""], "entry 2"),
        (["k1:c2VjcmV0"], "'k1'"),
        (["k1:" + b64encode(b"c2VjcmV0" * 5).decode()], "'k1'"),
        ([new_key("k1"), new_key("k1")], "twice"),
    ],
)
def test_nonsense_is_refused_and_not_repeated(entries: list[str], said: str):
    with pytest.raises(BadEncryptionKeys, match=said) as error:
        parse_encryption_keys(entries)
    assert "c2VjcmV0" not in str(error.value)
