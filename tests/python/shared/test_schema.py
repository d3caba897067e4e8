# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from powernap.shared.errors import BadPorts, BadValue
from powernap.shared.schema import TYPES, Option


def accept(type, value, **more):
    return Option("key", type, None, "", **more).accept(value)


@pytest.mark.parametrize(
    ("type", "value", "accepted"),
    [
        ("windows", ["22:00-06:00", "12:00-12:59"], ("22:00-06:00", "12:00-12:59")),
        ("networks", ["192.0.2.0/24", "2001:db8::1"], ("192.0.2.0/24", "2001:db8::1/128")),
        ("networks", [], ()),
        ("sources", ["192.0.2.7", "02-4C-00-00-00-01"], ("192.0.2.7", "02:4c:00:00:00:01")),
        ("rules", ["10.0.0.0/8  TCP/22,8000-8099", "udp/53"], ("10.0.0.0/8 tcp/22,8000-8099", "udp/53")),
        ("strs", ["a", "b"], ("a", "b")),
        ("url", "http://wake1:20709/", "http://wake1:20709"),
        ("threshold", "n", "n"),
    ],
)
def test_a_value_takes_its_normal_form(type, value, accepted):
    assert accept(type, value) == accepted


@pytest.mark.parametrize(
    ("type", "value", "sentence"),
    [
        ("windows", ["24:00-06:00"], "'24:00-06:00' is no part of a day"),
        ("windows", ["06:00-06:00"], "is no part of a day"),
        ("windows", ["22:00-06:00\n"], "is no part of a day"),
        ("windows", "22:00-06:00", "is not a list of times of day"),
        ("networks", ["192.0.2.1/24"], "'192.0.2.1/24' is no address and no network"),
        ("networks", ["wake1"], "is no address and no network"),
        ("sources", ["tcp/22"], "'tcp/22' is no address, network, MAC address or port"),
        ("sources", ["192.0.2.1/24"], "write 192.0.2.0/24"),
        ("sources", "192.0.2.7", """: write ["192.0.2.7"]"""),
        ("rules", ["192.0.2.1/24 tcp/22"], "write 192.0.2.0/24"),
        ("rules", ["10.0.0.0/8 22"], "after the source write tcp/ or udp/ and a port, such as tcp/22"),
        ("rules", ["tcp/"], "'tcp/' is no rule: name a port, such as tcp/22"),
        ("rules", ["tcp/0"], "ports go from 1 to 65535"),
        ("rules", ["udp/9-3"], "write 3-9"),
        ("rules", ["a b c"], "'a b c' is no rule: write such as"),
        ("rules", [""], "'' is no rule"),
        ("rules", ["01:00:5e:00:00:01"], "is no address, network, MAC address or port"),
        ("rules", [22], "is not a list of rules"),
        ("threshold", -1, "too small"),
        ("int", True, "is not a whole number"),
        ("float", float("inf"), "is not a number"),
        ("float", "15min", "'15min' is not a number: write it without quotes and without a unit"),
        ("bool", "yes", "'yes' is not true or false: write true or false without quotes"),
        ("str", 5, '5 is not a text: write "5", in quotes'),
        ("strs", "tell", """'tell' is not a list of texts: write ["tell"]"""),
        ("networks", ["192.0.2.1/24"], "write 192.0.2.0/24"),
        ("networks", ["wake1"], 'write such as "192.0.2.7"'),
        ("url", "http://wake1:99999", "has no port: ports go from 1 to 65535"),
    ],
)
def test_what_is_refused_is_said_in_one_sentence(type, value, sentence):
    with pytest.raises(BadValue) as caught:
        accept(type, value)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value).replace("\\n", "")


def test_choices_of_a_list_are_those_of_its_items():
    assert accept("strs", ["mon", "sun"], choices=("mon", "sun")) == ("mon", "sun")
    with pytest.raises(BadValue, match="'sum' is none of mon, sun; did you mean sun"):
        accept("strs", ["mon", "sum"], choices=("mon", "sun"))


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("value", [None, {}, object(), [1.5], [None], float("nan"), b"x"])
def test_no_type_takes_what_is_none_of_it_nor_breaks(type, value):
    with pytest.raises((BadValue, BadPorts)):
        accept(type, value)


def test_an_optional_path_may_be_left_out_by_an_empty_text():
    assert Option("key", "path", "", "").accept("") == ""
    with pytest.raises(BadValue):
        Option("key", "path", "/etc/x", "").accept("")
