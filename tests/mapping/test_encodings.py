import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.encodings import decode, known

NAME = "Jörg Müller, Größe 1,80 m"
RUSSIAN = "Иванов"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "windows-1252"])
def test_the_encoding_shows_in_the_bytes(encoding: str) -> None:
    assert decode(NAME.encode(encoding)) == NAME


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_characters_need_no_mark(encoding: str) -> None:
    assert decode(NAME.encode(encoding)) == NAME


@pytest.mark.parametrize("encoding", ["iso-8859-5", "koi8-r", "windows-1251", "utf-8"])
def test_an_xml_declaration_counts(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><name>{RUSSIAN}</name>'
    assert decode(text.encode(encoding)) == text


def test_a_declaration_of_wide_characters_in_narrow_ones_is_not_true() -> None:
    text = f'<?xml version="1.0" encoding="utf-16"?><name>{NAME}</name>'
    assert decode(text.encode()) == text


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("8859/5", "iso8859-5"),
        ("UNICODE UTF-8", "utf-8"),
        ("8859/1", "latin-1"),
        ("", "utf-8"),
        ("XX", "utf-8"),
    ],
)
def test_the_field_msh_18_of_a_message_counts(declared: str, encoding: str) -> None:
    name = NAME if encoding == "latin-1" else RUSSIAN
    text = f"MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5||||||{declared}|\rPID|1||4711||{name}"
    assert decode(text.encode(encoding)) == text


def test_what_is_given_counts_before_what_shows() -> None:
    assert decode("Ä".encode(), "latin-1") == "\xc3\x84"
    assert decode(b"\x81\x8d", "cp437") == "\xfc\xec"
    assert decode(NAME.encode("utf-8-sig"), "utf-8") == NAME


def test_a_byte_that_is_not_in_the_encoding_is_named_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"byte 8 \(0x81, in line 2\) is not windows-1252: say .* encoding:"):
        decode(b"a=\xe4\r\nb=\x81")
    with pytest.raises(ValueError, match=r"byte 3 \(0xFF, in line 1\) is not utf-8"):
        decode(b"a=\xff", "utf-8")
    with pytest.raises(ValueError, match="'klingon', which is not known"):
        decode(b'<?xml version="1.0" encoding="klingon"?><a/>')


def test_encodings_are_those_of_text() -> None:
    assert known("windows-1252")
    assert known("shift_jis")
    assert known("ISO-8859-15")
    assert not any(
        map(known, ("", "klingon", "base64", "rot13", "unicode_escape", "idna", "undefined", "a\0b"))
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_refused_in_words(data: bytes) -> None:
    try:
        assert isinstance(decode(data), str)
    except UnicodeError as error:
        pytest.fail(f"not in words: {error}")
    except ValueError:
        pass
