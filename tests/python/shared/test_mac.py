# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.shared.errors import BadMac
from powernap.shared.mac import format_mac, mac_bytes, magic_packet, normal_mac

unicast = st.binary(min_size=6, max_size=6).map(lambda raw: bytes([raw[0] & 0xFE]) + raw[1:]).filter(any)


@given(unicast)
def test_every_way_to_write_a_mac_means_the_same(raw):
    text = format_mac(raw)
    digits = raw.hex()
    cisco = f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"
    for way in (text, text.upper(), text.replace(":", "-"), digits, cisco):
        assert mac_bytes(way) == raw
        assert normal_mac(way) == text


@pytest.mark.parametrize(
    "text",
    ["", "02:4c", "02:4c:00:00:00:0g", "02:4c-00:00:00:01", "02:4c:00:00:00:01:02", None, 7, "02:4c:00:00:00:01\n"],
)
def test_what_is_no_mac_is_refused_with_an_example(text):
    with pytest.raises(BadMac, match="write it as 02:4c:00:00:00:01"):
        mac_bytes(text)


@pytest.mark.parametrize("text", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00"])
def test_no_nic_has_a_group_address_or_none(text):
    with pytest.raises(BadMac, match="single NIC"):
        mac_bytes(text)


def test_a_magic_packet_is_six_ff_and_sixteen_times_the_mac():
    raw = mac_bytes("02:4c:00:00:00:01")
    assert magic_packet("02:4c:00:00:00:01") == b"\xff" * 6 + raw * 16
    assert len(magic_packet("02:4c:00:00:00:01", "01:02:03:04:05:06")) == 108
    assert magic_packet("02:4c:00:00:00:01", "1.2.3.4")[102:] == bytes([1, 2, 3, 4])


@pytest.mark.parametrize("password", ["1.2.3", "1.2.3.400", "secret", "01:02"])
def test_a_secureon_password_of_another_length_is_refused(password):
    with pytest.raises(BadMac, match="SecureOn") as caught:
        magic_packet("02:4c:00:00:00:01", password)
    assert password not in str(caught.value), "a secret does not land in a message"
