"""The loader gives plain data with positions, and refuses what YAML can do beyond that."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gammaops.config import loader
from gammaops.config.loader import load_yaml
from gammaops.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1:1: the document is empty"),
        ("- 1", "f.yaml:1:1: the document is not a mapping"),
        ("a: [", "f.yaml:2:1: not YAML: while parsing a flow node"),
        ("a: 1\n\tb: 2", "f.yaml:2:1: not YAML"),
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: a: given twice, first in line 1, column 1"),
        ("x: {a: 1, a: 2}", "f.yaml:1:11: x.a: given twice"),
        ("a: &b 1", r"f.yaml:1:4: a: anchor &b"),
        ("a: *b", r"f.yaml:1:4: a: alias \*b"),
        ("a: !!python/object/apply:os.system [ls]", "f.yaml:1:4: a: tag !!python/object/apply:os.system"),
        ("a: !secret x", "f.yaml:1:4: a: tag !secret"),
        ("<<: {a: 1}", "f.yaml:1:1: <<: merge key"),
        ("? [a]\n: 1", "f.yaml:1:3: a key that is a mapping or a list"),
        ("1: 2", "f.yaml:1:1: 1: the key 1 is not a word"),
        ("on: 2", "f.yaml:1:1: on: as a key, on is text for some"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a second document"),
        ("a: yes", 'f.yaml:1:4: a: yes is text .* expected true, or "yes" in quotes'),
        ("a: OFF", 'f.yaml:1:4: a: OFF is text .* expected false, or "OFF" in quotes'),
        ("a: 1e-12", r"f.yaml:1:4: a: 1e-12 is text in YAML 1.1, not a number; expected 1.0e-12"),
        ("a: 2.5e3", r"f.yaml:1:4: a: 2.5e3 is text in YAML 1.1, not a number; expected 2.5e\+3"),
        ("a: 020136", 'the octal number 8286 in YAML 1.1; expected 20136, or "020136" in quotes'),
        ("a: 12:30:00", "the base-60 number 45000 in YAML 1.1"),
        ("a: 0x1F", "0x1F is a number in another base"),
        ("a: 20_136", "20_136 is a number for some YAML readers only; expected 20136"),
        ("a: .inf", "not a finite number"),
        ("a: 123456789012345678901", "a number of more than 20 digits"),
        ("a: \0", "not YAML: .*control characters are not allowed"),
        ("a: " + "[" * 40 + "]" * 40, "nested more than 20 deep"),
        ("# " + "x" * 1_000_001, "larger than 1000000 bytes"),
    ],
)
def test_what_it_refuses(text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        load_yaml(text, "f.yaml")


def test_all_problems_come_at_once():
    with pytest.raises(ConfigError) as caught:
        load_yaml("a: yes\nb: 010\nc: &x 1\nd: 1:30\n", "f.yaml")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("true", True),
        ("False", False),
        ("20136", 20136),
        ("-3", -3),
        ("0", 0),
        ("0.5", 0.5),
        ("1.0e-12", 1e-12),
        (".5", 0.5),
        ("2004-12-01", "2004-12-01"),
        ("2006-07-29 20:30:00", "2006-07-29 20:30:00"),
        ("3 h", "3 h"),
        ("83.63 deg", "83.63 deg"),
        ("'020136'", "020136"),
        ('"yes"', "yes"),
        ("$GAMMAPY_DATA/x", "$GAMMAPY_DATA/x"),
        ("20 %", "20 %"),
    ],
)
def test_what_values_mean(text: str, value: object):
    read = load_yaml(f"a: {text}", "f.yaml").data["a"]
    assert read == value
    assert type(read) is type(value)


def test_position_of_every_key_and_item():
    document = load_yaml("a: 1\nb:\n  c: [10, 20]\n  d:\n    - {e: 5}\n", "f.yaml")
    assert document.position(("a",)) == (1, 1)
    assert document.position(("b", "c")) == (3, 3)
    assert document.position(("b", "c", 1)) == (3, 11)
    assert document.position(("b", "d", 0, "e")) == (5, 8)


def test_position_of_an_absent_key_is_that_of_the_one_above():
    assert load_yaml("a:\n  b: 1\n", "f.yaml").position(("a", "x", "y")) == (1, 1)


def test_python_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch, crab: str, original: str):
    for text in (crab, original):
        fast = load_yaml(text, "f.yaml")
        with monkeypatch.context() as patch:
            patch.setattr(loader, "_PARSER", yaml.SafeLoader)
            slow = load_yaml(text, "f.yaml")
        assert (fast.data, fast.positions) == (slow.data, slow.positions)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str):
    try:
        data = load_yaml(text, "f.yaml").data
    except ConfigError:
        return
    assert isinstance(data, dict)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdef", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdef", min_size=1), PLAIN, max_size=4))
def test_quoted_data_come_back_as_they_are(data: dict):
    text = yaml.safe_dump(data, default_style='"', allow_unicode=True)
    if "!!" in text:
        # In this style PyYAML tags what is not text; the loader refuses tags.
        text = yaml.safe_dump(_texts(data), default_style='"', allow_unicode=True)
        data = _texts(data)
    assert load_yaml(text, "f.yaml").data == data


def _texts(value: object) -> object:
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    return [_texts(item) for item in value] if isinstance(value, list) else str(value)
