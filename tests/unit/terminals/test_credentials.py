import pytest

from terminals.credentials import Credentials, read_credentials, write_credentials
from terminals.errors import CredentialsError

KEY = bytes(range(32))


def key_file(tmp_path, content, mode=0o600):
    path = tmp_path / "till.key"
    path.write_text(content)
    path.chmod(mode)
    return path


def test_what_is_written_is_read_again_by_its_owner_only(tmp_path):
    path = tmp_path / "till.key"

    write_credentials(path, Credentials(7, KEY))

    assert read_credentials(path) == Credentials(7, KEY)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CredentialsError, match="expected no such file"):
        write_credentials(path, Credentials(7, KEY))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path, mode):
    path = key_file(tmp_path, f'{{"terminal_id": 7, "key": "{KEY.hex()}"}}', mode)

    with pytest.raises(CredentialsError, match=rf"expected mode 0600, got {mode:04o}; run chmod 600"):
        read_credentials(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"terminal_id": 7}', "missing required field `key`"),
        ('{"terminal_id": "7", "key": "00"}', "Expected `int`, got `str`"),
        ('{"terminal_id": 7, "key": "00", "kay": 1}', "unknown field `kay`"),
        ('{"terminal_id": 7, "key": "secretive"}', "key: expected hexadecimal digits"),
        ('{"terminal_id": 7, "key": "00"}', "expected 32 bytes, got 1"),
        (f'{{"terminal_id": 0, "key": "{KEY.hex()}"}}', "terminal_id: expected 1 to 4294967295, got 0"),
        (" " * 5_000, "expected at most 4096 bytes"),
    ],
)
def test_a_malformed_file_is_refused_with_the_reason_and_without_the_key(tmp_path, content, complaint):
    with pytest.raises(CredentialsError) as caught:
        read_credentials(key_file(tmp_path, content))

    assert complaint in str(caught.value)
    assert "secretive" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CredentialsError, match=r"no\.key: expected a readable key file, got No such file"):
        read_credentials(tmp_path / "no.key")


def test_the_key_is_not_in_the_repr():
    assert KEY.hex() not in repr(Credentials(7, KEY))
    assert str(KEY) not in repr(Credentials(7, KEY))
