"""What only a token has: attributes, the owner thread, and its going and coming back."""

import os
import threading

import PyKCS11
import pytest
from PyKCS11 import CKA_ID, CKA_LABEL, CKA_SIGN, CKA_TOKEN, CKM_AES_CMAC, CKM_AES_KEY_WRAP

from hsm._cipher import copy_into, ed25519_verify
from hsm.backend import KeyUse
from hsm.errors import (
    BackendClosedError,
    KeyTamperedError,
    TokenPinRefusedError,
    TokenRefusedError,
    TokenTimeoutError,
    TokenUnavailableError,
)
from hsm.pkcs11 import PUBLIC, Pkcs11Backend, key_class, key_id
from tests.support.softhsm import MODULE_PATH, PIN

KEK, SIGN, LOG = KeyUse
NOW_MS = 1_790_000_000_123
SECRET = bytes(range(0x41, 0x61))


@pytest.fixture
def backend(pkcs11):
    return pkcs11.new()


def in_token(backend, work):
    """Work with the backend's own session, as someone could who has the PIN."""
    return backend._token.run(lambda: work(backend._token.session))


def attributes(backend, use, *names):
    def read(session):
        (found,) = session.findObjects(
            [(CKA_TOKEN, True), (PyKCS11.CKA_CLASS, key_class(use)), (CKA_ID, key_id(use, 1))]
        )
        return session.getAttributeValue(found, [getattr(PyKCS11, name) for name in names])

    return dict(zip(names, in_token(backend, read), strict=True))


@pytest.mark.parametrize("imported", [False, True])
@pytest.mark.parametrize("use", KeyUse)
def test_a_key_in_the_token_may_do_its_one_thing(backend, page, use, imported):
    slot = page.take(32)
    copy_into(slot, SECRET)
    if imported:
        backend.import_key(use, 1, slot, NOW_MS)
    else:
        backend.generate(use, 1, NOW_MS)

    common = attributes(backend, use, "CKA_SENSITIVE", "CKA_EXTRACTABLE", "CKA_PRIVATE", "CKA_MODIFIABLE", "CKA_LOCAL")
    assert common == {
        "CKA_SENSITIVE": True,
        "CKA_EXTRACTABLE": False,
        "CKA_PRIVATE": True,
        "CKA_MODIFIABLE": False,
        "CKA_LOCAL": not imported,
    }
    may = attributes(backend, use, "CKA_SIGN", "CKA_DERIVE")
    assert may == {"CKA_SIGN": use is not KEK, "CKA_DERIVE": False}
    if use is not SIGN:
        may = attributes(backend, use, "CKA_WRAP", "CKA_UNWRAP", "CKA_ENCRYPT", "CKA_DECRYPT", "CKA_VERIFY")
        wraps = use is KEK
        assert [*may.values()] == [wraps, wraps, False, False, False]


def test_a_kek_can_neither_be_read_nor_used_otherwise_nor_changed(backend):
    backend.generate(KEK, 1, NOW_MS)

    def find(session):
        return session.findObjects([(CKA_TOKEN, True), (CKA_ID, key_id(KEK, 1))])[0]

    for attempt in (
        lambda session: session.sign(find(session), bytes(16), PyKCS11.Mechanism(CKM_AES_CMAC, None)),
        lambda session: session.encrypt(find(session), bytes(16), PyKCS11.Mechanism(PyKCS11.CKM_AES_ECB, None)),
        lambda session: session.setAttributeValue(find(session), [(CKA_SIGN, True)]),
        lambda session: session.setAttributeValue(find(session), [(PyKCS11.CKA_EXTRACTABLE, True)]),
        lambda session: session.wrapKey(find(session), find(session), PyKCS11.Mechanism(CKM_AES_KEY_WRAP, None)),
    ):
        with pytest.raises(TokenRefusedError, match="CKR_"):
            in_token(backend, attempt)
    assert attributes(backend, KEK, "CKA_VALUE") == {"CKA_VALUE": None}


def test_no_key_lies_in_clear_in_the_tokens_files(backend, token, page):
    slot = page.take(32)
    copy_into(slot, SECRET)
    for use in KeyUse:
        backend.import_key(use, 1, slot, NOW_MS)
    backend.close()

    files = [*token.directory.iterdir()]
    assert len(files) > 3
    assert [file for file in files if SECRET in file.read_bytes()] == []


def test_no_session_object_is_left_behind(backend, page):
    for use in KeyUse:
        backend.generate(use, 1, NOW_MS)
    wrapped = backend.generate_wrapped(1, 16)
    slot = page.take(16)
    backend.unwrap_into(wrapped, slot)
    backend.wrap(1, slot)
    backend.rewrap(wrapped, 1)
    backend.check_value(wrapped)
    forged = type(wrapped)(1, wrapped.blob, b"12345")
    for refused in (
        backend.check_value,
        lambda forged: backend.rewrap(forged, 1),
        lambda forged: backend.unwrap_into(forged, slot),
    ):
        with pytest.raises(KeyTamperedError):
            refused(forged)

    assert in_token(backend, lambda session: len(session.findObjects([(CKA_TOKEN, False)]))) == 0
    assert in_token(backend, lambda session: len(session.findObjects([(CKA_TOKEN, True)]))) == 4


def test_half_a_pair_left_by_a_crash_is_no_key(backend, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(backend._token, "copy", lambda *_args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backend.generate(SIGN, 1, NOW_MS)
    assert backend.keys() == []

    facts = backend.generate(SIGN, 1, NOW_MS)
    assert ed25519_verify(backend.public_key(1), b"head", backend.sign(1, b"head"))
    assert backend.keys() == [facts]
    assert in_token(backend, lambda session: len(session.findObjects([(CKA_TOKEN, True)]))) == 2
    backend.destroy(SIGN, 1)
    assert in_token(backend, lambda session: len(session.findObjects([(CKA_TOKEN, True)]))) == 0


def test_a_public_half_that_was_swapped_is_found(backend, page):
    backend.generate(SIGN, 1, NOW_MS)
    backend.generate(SIGN, 2, NOW_MS)

    def swap(session):
        mine, other = (
            session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PUBLIC_KEY), (CKA_ID, key_id(SIGN, version))])[0]
            for version in (1, 2)
        )
        (point,) = session.getAttributeValue(other, [PyKCS11.CKA_EC_POINT])
        session.destroyObject(mine)
        session.createObject(
            [*PUBLIC, (CKA_TOKEN, True), (CKA_ID, key_id(SIGN, 1)), (PyKCS11.CKA_EC_POINT, bytes(point))]
        )

    in_token(backend, swap)
    with pytest.raises(TokenRefusedError, match="public half"):
        backend.public_key(1)


def test_objects_of_others_are_left_alone(backend):
    def make(session):
        session.createObject(
            [
                (PyKCS11.CKA_CLASS, PyKCS11.CKO_SECRET_KEY),
                (PyKCS11.CKA_KEY_TYPE, PyKCS11.CKK_AES),
                (CKA_TOKEN, True),
                (CKA_LABEL, "cardswitch/KEK/1"),
                (PyKCS11.CKA_VALUE, bytes(32)),
            ]
        )

    in_token(backend, make)
    assert backend.keys() == []


def test_a_wrong_pin_is_told_and_not_tried_again(backend, token, pkcs11):
    backend.close()
    for wrong in (b"0000", b"", bytes(33)):
        with pytest.raises(TokenPinRefusedError):
            Pkcs11Backend.open(MODULE_PATH, token.label, wrong)
    assert pkcs11.again().keys() == []


@pytest.mark.parametrize(("module_path", "label"), [(MODULE_PATH, "no such token"), ("/nowhere/lib.so", "x")])
def test_a_token_that_is_not_there_is_told(soft_hsm, module_path, label):
    for _ in range(2):  # and asking leaves nothing behind
        with pytest.raises(TokenUnavailableError, match="plugged in"):
            Pkcs11Backend.open(module_path, label, PIN)


def test_a_token_has_one_owner_in_a_process(backend, token, pkcs11):
    with pytest.raises(TokenUnavailableError, match="only owner"):
        Pkcs11Backend.open(token.module_path, token.label, b"a wrong one must not get in here")
    assert backend.generate(KEK, 1, NOW_MS)
    backend.close()
    assert len(pkcs11.again().keys()) == 1


def test_two_tokens_are_two_backends(backend, soft_hsm, labels):
    other = soft_hsm.new_token(next(labels))
    backend.close()
    with Pkcs11Backend.open(other.module_path, other.label, other.pin) as one:
        one.generate(KEK, 1, NOW_MS)
        assert len(one.keys()) == 1


def test_a_token_that_goes_is_told_and_one_that_comes_back_is_used(backend, token, page):
    for use in KeyUse:
        backend.generate(use, 1, NOW_MS)
    facts, mac, wrapped = backend.keys(), backend.mac(1, b"entry"), backend.generate_wrapped(1, 16)
    away = token.directory.parents[1] / "away"  # where SoftHSM does not look

    for operation in (
        backend.keys,
        lambda: backend.facts(KEK, 1),
        lambda: backend.mac(1, b"entry"),
        lambda: backend.check_value(wrapped),
        lambda: backend.unwrap_into(wrapped, page.take(16)),
        lambda: backend.generate(KEK, 2, NOW_MS),
        lambda: backend.destroy(KEK, 1),
    ):
        token.directory.rename(away)
        for _ in range(2):
            with pytest.raises(TokenUnavailableError, match="try again"):
                operation()
        away.rename(token.directory)
        assert backend.keys() == facts
    assert backend.mac(1, b"entry") == mac


def test_a_token_that_does_not_answer_is_left_after_a_while(token):
    hangs, release = threading.Event(), threading.Event()
    with Pkcs11Backend.open(token.module_path, token.label, token.pin, timeout_ms=200) as backend:

        def hang():
            hangs.set()
            release.wait(60)

        def give_up():
            with pytest.raises(TokenTimeoutError, match="may still happen"):
                backend._token.run(hang)
            given_up.append(True)

        given_up: list[bool] = []
        hung = threading.Thread(target=give_up)
        hung.start()
        hangs.wait(60)
        with pytest.raises(TokenTimeoutError, match="did not begin"):
            backend.generate(KEK, 1, NOW_MS)
        hung.join()
        release.set()
        assert given_up
        assert backend.keys() == []  # what was given up before it began does not happen later


def test_a_fork_cannot_use_the_token(backend):
    process = os.fork()
    if process == 0:
        code = 1
        try:
            backend.keys()
        except TokenUnavailableError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0
    assert backend.keys() == []


def test_the_owner_thread_ends_with_the_backend(backend):
    assert "hsm" in " ".join(thread.name for thread in threading.enumerate())
    backend.close()

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("hsm ")] == []
    with pytest.raises(BackendClosedError):
        backend.keys()


def test_all_work_is_done_in_the_owner_thread(backend):
    seen = {backend._token.run(threading.get_ident) for _ in range(3)}
    others = []
    threads = [
        threading.Thread(target=lambda: others.append(backend._token.run(threading.get_ident))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen | {*others}) == 1
    assert threading.get_ident() not in seen
