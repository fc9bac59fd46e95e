"""What stands for characters that a character set does not have."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom import transliteration
from gateway.dicom.transliteration import Untransliterable, transliterated

TABLE = yaml.safe_load(Path(transliteration.__file__).with_name("transliteration.yaml").read_text("utf-8"))


def _ascii(text: str) -> str:
    return transliterated(text, lambda character: " " <= character <= "~")


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("„Größe“ – ‚Fuß‘ …", "\"Groesse\" - 'Fuss' ..."),
        ("STRAẞE, Straße", "STRASSE, Strasse"),
        ("Ägäis ÄGÄIS Ä", "Aegaeis AEGAEIS Ae"),
        ("Łódź, Dvořák, Özgür, Škoda", "Lodz, Dvorak, Oezguer, Skoda"),
        ("Ǻnd Nguyễn Đức", "Aand Nguyen Duc"),
        ("Háskóli Þórður Ðæ", "Haskoli Thordur Dae"),
        ("ﬁn ﬀ Ĳssel Œuvre", "fin ff IJssel Oeuvre"),
        ("Ευαγγέλου ΑΥΓΗ Ούτε Ψυχή", "Euaggelou AUGI Oute Psychi"),
        ("ΐ ή αϋ", "i i ay"),
        ("Київ Щука ЩУКА Вьюн Ґєї", "Kiiv Shchuka SHCHUKA Viun Giei"),
        ("Ђорђе Љубљана Џон", "Dorde Ljubljana Dzon"),
        ("n\u0308 x\u0303y", "n xy"),
        ("soft\u00adhyphen a\u00a0b\u3000c", "softhyphen a b c"),
        ("５ｍｇ（Ａ）", "5mg(A)"),
        ("€ 5, £ 6 ™ № 7 § 8", "EUR 5, GBP 6 (TM) No. 7 sec. 8"),
    ],
)
def test_text_is_written_as_passports_and_typewriters_do(text: str, becomes: str) -> None:
    assert _ascii(text) == becomes


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("5 µg 5 μg 5㎍ 5 µm", "5 ug 5 ug 5ug 5 um"),
        ("3·10² 10⁻³ 10²³ s⁻¹", "3.10^2 10^-3 10^23 s-1"),
        ("m² cm³ H₂O 10₂", "m2 cm3 H2O 10_2"),
        ("1½ ½ ¾", "1 1/2 1/2 3/4"),
        ("5① ①", "5(1) (1)"),
        ("37 °C 98℉ 30°", "37 degC 98degF 30deg"),
        ("50Ω 5 kΩ μΩ", "50Ohm 5 kOhm uOhm"),
        ("β-HCG, α, γ-GT", "beta-HCG, alpha, gamma-GT"),
        ("±5 ≤3 ≥4 ≠2 5×3 ≈1", "+/-5 <=3 >=4 <>2 5x3 ~1"),
        ("a→b 5‰", "a->b 5 per mille"),
    ],
)
def test_numbers_and_units_keep_their_meaning(text: str, becomes: str) -> None:
    assert _ascii(text) == becomes


def test_what_a_set_has_is_preferred_to_what_ascii_has() -> None:
    assert transliterated("μg ⌀ —", lambda each: each.isascii() or each in "µØ―") == "µg Ø ―"
    assert transliterated("ﾊﾞｽ ｱ", lambda each: each in "バスア ") == "バス ア"
    assert transliterated("がヴ", lambda each: each >= "\uff61") == "ｶﾞｳﾞ"


@pytest.mark.parametrize("character", ["山", "א", "ع", "👍", "ก", "가", "\ue000", "\0", "\x85", "\ufffd"])
def test_nothing_stands_for_other_scripts(character: str) -> None:
    with pytest.raises(Untransliterable) as caught:
        _ascii(f"a{character}")
    assert caught.value.character == character


@pytest.mark.parametrize(
    ("key", "replacements"),
    [
        (key, [found] if isinstance(found, str) else found)
        for entries in TABLE.values()
        for key, found in entries.items()
    ],
)
def test_the_table_is_sound(key: str, replacements: list[str]) -> None:
    assert all(isinstance(each, str) and "?" not in each for each in (key, *replacements))
    assert len(key) <= 2
    assert key not in replacements
    assert key == "~" or replacements[-1].isascii()
    assert key not in TABLE["letters"] or key == key.lower()


@given(st.text(st.characters(exclude_characters="?", exclude_categories=("Cs",)), max_size=12))
def test_any_text_becomes_ascii_or_fails(text: str) -> None:
    with suppress(Untransliterable):
        result = _ascii(text)
        assert result.isascii()
        assert "?" not in result or "?" in unicodedata.normalize("NFKC", text)
