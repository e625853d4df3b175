"""Shares, sizes, times, quotes and lists are said as people say them."""

import doctest
import re
from pathlib import Path

import pytest

from asr_helpers import wording
from asr_helpers.wording import duration, listed, percent, quoted, size

SAID = [
    (percent(0.1906), "19.1 %"),
    (percent(1, 0), "100 %"),
    (percent(0.0051, 2), "0.51 %"),
    (size(0), "0 bytes"),
    (size(999), "999 bytes"),
    (size(1500), "1.5 kB"),
    (size(2.5e9), "2.5 GB"),
    (size(3e15), "3000.0 TB"),
    (duration(0.4), "0 s"),
    (duration(119.4), "119 s"),
    (duration(120), "2 min"),
    (duration(7100), "118 min"),
    (duration(7200), "2.0 h"),
    (quoted("  ایک \t دو\n"), "«ایک دو»"),
    (quoted("ا" * 41), f"«{'ا' * 40}…»"),
    (quoted("ا" * 40), f"«{'ا' * 40}»"),
    (listed([]), "none"),
    (listed(["a"]), "a"),
    (listed("abcde"), "a, b, c, d, e"),
    (listed("abcdef"), "a, b, c, d, e and 1 more"),
    (listed((str(n) for n in range(30)), most=2), "0, 1 and 28 more"),
    (listed(map(repr, "ab")), "'a', 'b'"),
]


@pytest.mark.parametrize(("said", "expected"), SAID)
def test_it_is_said_as_people_say_it(said, expected):
    assert said == expected


OWN_WAYS = {
    "a list that counts its rest": r"\{len\(\w+\) - [^}]*\} more|…['\"] if len\(",
    "a quotation": "«",
    "a size": r"\} [kMG]B\b",
    "a share": r"\d%\}|\df\} %",
}


@pytest.mark.parametrize("way", OWN_WAYS)
def test_no_other_module_has_a_way_of_its_own(way):
    modules = (path for path in Path(wording.__file__).parent.rglob("*.py") if path.name != "wording.py")
    found = [path.name for path in modules if re.search(OWN_WAYS[way], path.read_text("utf-8"))]
    assert not found, f"{way} lies in {found}; asr_helpers.wording says it"


def test_the_examples_hold():
    assert doctest.testmod(wording).failed == 0 < doctest.testmod(wording).attempted
