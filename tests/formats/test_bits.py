"""Bits and units, against a writer of bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstreams import BitWriter, byte_stream, nal
from gateway.formats.bits import BitReader, Malformed, unescaped, units_after_start_codes, units_with_lengths

NUMBERS = st.one_of(
    st.tuples(st.just("bits"), st.integers(0, 2**20 - 1)),
    st.tuples(st.just("unsigned"), st.integers(0, 2**32 - 2)),
    st.tuples(st.just("signed"), st.integers(-(2**31) + 1, 2**31 - 1)),
    st.tuples(st.just("flag"), st.integers(0, 1)),
)
UNITS = st.lists(
    st.binary(min_size=1, max_size=60).map(lambda payload: nal(b"\x67", payload + b"\x80")), max_size=6
)


@given(st.lists(NUMBERS, max_size=30))
def test_numbers_come_back_as_they_were_written(numbers: list[tuple[str, int]]) -> None:
    out = BitWriter()
    for form, value in numbers:
        if form == "bits":
            out.bits(value, 20)
        elif form == "flag":
            out.flags(value)
        else:
            getattr(out, form)(value)
    reader = BitReader(out.bytes())
    for form, value in numbers:
        assert (reader.bits(20) if form == "bits" else getattr(reader, form)()) == value


def test_what_ends_too_early_is_malformed() -> None:
    reader = BitReader(b"\xff")
    assert reader.bits(8) == 255
    with pytest.raises(Malformed, match="too early"):
        reader.flag()


def test_endless_zeros_are_no_number() -> None:
    with pytest.raises(Malformed, match="too large"):
        BitReader(bytes(100)).unsigned()


@given(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), max_size=80).map(bytes))
def test_escaped_payloads_come_back(payload: bytes) -> None:
    payload += b"\x80"
    unit = nal(b"\x67", payload)
    assert b"\0\0\0" not in unit
    assert b"\0\0\x01" not in unit
    assert unescaped(unit[1:]) == payload


@given(UNITS, st.sampled_from([1, 2, 4]))
def test_units_are_split_alike_in_both_forms(units: list[bytes], size: int) -> None:
    sample = b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)
    assert list(units_with_lengths(sample, size)) == units
    stream = [unit.rstrip(b"\0") for unit in units_after_start_codes(byte_stream(units))]
    assert stream == units


@given(st.binary(max_size=200), st.sampled_from([1, 2, 3, 4]))
def test_any_bytes_split_or_are_malformed(data: bytes, size: int) -> None:
    assert all(units_after_start_codes(data))
    try:
        units = list(units_with_lengths(data, size))
    except Malformed:
        return
    assert sum(map(len, units)) <= len(data)


def test_a_length_beyond_the_sample_is_malformed() -> None:
    with pytest.raises(Malformed, match="not as long"):
        list(units_with_lengths(b"\0\0\0\x05abcd", 4))
