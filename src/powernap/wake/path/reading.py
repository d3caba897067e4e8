# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading frames in the kernel: ARP, neighbour discovery, TCP, UDP and echo requests, as strictly as powernap.net does.

The programs say at these labels what is to be done; r7 and r8 are set unless "nothing" is reached:
  nothing     the frame concerns no address, or is no business of anybody's
  owner       it concerns an address of the host whose card sent it
  claim       another card says that it has the address (if `claims`)
  probe       duplicate-address detection: another card wants the address for itself
  watched     anything else that concerns an address which the daemon alone cares for
  question4   ARP request; FLOW is set
  question6   neighbour solicitation; FLOW is set; r9 is 1 where it has the source's MAC and no more
  demand      a packet that is demand; FLOW is set
  echo4, echo6  an echo request, at byte 34 or 54 (if `echoes`)
  other       neither ARP nor IP
"""

from __future__ import annotations

from powernap.machine.ebpf_assembler import BYTE, DOUBLE, HALF, R0, R1, R2, R3, R6, R8, R9, R10, WORD
from powernap.net import ip
from powernap.wake.path import layout
from powernap.wake.path.code import (
    CARD,
    FLOW_KIND,
    FLOW_PORTS,
    FRAME,
    L4,
    LENGTH,
    PACKET_HOST,
    PACKET_OUTGOING,
    PACKET_TYPE,
    wire,
)
from powernap.wake.path.permission import Permission

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
QUESTION = 0
_SSH = 22
_FIN_SYN_RST_ACK, _SYN = 0x17, 0x02
_IPV4_AT, _IPV6_AT = 34, 54
#: Where it is noted that a packet is the first fragment of a datagram: behind L4 and what it has of lengths.
_FIRST = L4 + 22
_SOLICITATION, _ADVERTISEMENT, _ECHO6, _ECHO4 = 135, 136, 128, 8


class Reading(Permission):
    #: The daemon hears of claims; the program at the ingress does not care.
    claims = False
    echoes = False
    #: It notes which hosts are awake.
    marks = True

    def stamp(self) -> None:
        """The card in MAC has sent an ARP or neighbour discovery frame."""

    def check_header4(self) -> None:
        """r9: its bytes. The daemon looks at the header's checksum itself."""

    def read(self) -> None:
        self._arp()
        self._ipv4()
        self._ipv6()
        self._transport()

    def _arp(self) -> None:
        stranger, after_claim = self.fresh(), self.fresh()
        self.label("arp")
        self.load_bytes(14, FRAME + 14, 28, "truncated")
        for size, offset, value in ((WORD, 14, wire(0x00010800, 4)), (HALF, 18, wire(0x0604))):
            self.at(size, R1, FRAME + offset)
            self.jump("jne", R1, value, "malformed")
        self.half(R9, FRAME + 20)
        self.jump("jeq", R9, 0, "malformed")
        self.jump("jgt", R9, 2, "malformed")
        self.at(BYTE, R1, FRAME + 22)
        self.jump("jset", R1, 1, "malformed")
        # Two different senders: another wake server gives an address back. It proves nothing of either card.
        for offset in (0, 2, 4):
            self.at(HALF, R1, FRAME + 6 + offset)
            self.at(HALF, R2, FRAME + 22 + offset)
            self.jump_register("jne", R1, R2, stranger)
        self.stamp()
        if self.marks:
            self.owner_is_awake()
        if self.claims:
            self._word(R1, 28)
            self.jump("jeq", R1, 0, after_claim)
            self.find_entry(FRAME + 28, 4, after_claim)
            self.if_owner(FRAME + 22, after_claim)
            self.jump("ja", to="claim")
        else:
            self.jump("ja", to=after_claim)
        self.label(stranger)
        self.store_value(DOUBLE, R10, CARD, 0)
        self.label(after_claim)
        self.jump("jne", R9, 1, "nothing")
        self._word(R1, 28)
        self._word(R2, 38)
        self.jump_register("jeq", R1, R2, "nothing")
        self.find_entry(FRAME + 38, 4, "nothing")
        self.if_owner(FRAME + 22, "owner")
        self._word(R1, 28)
        self.jump("jeq", R1, 0, "probe")
        self.if_watched("watched")
        self.flow(FRAME + 28, FRAME + 38, 4, QUESTION)
        self.jump("ja", to="question4")

    def _word(self, register: int, offset: int) -> None:
        """Four bytes of the frame that lie on two; r3 is lost."""
        self.at(HALF, register, FRAME + offset)
        self.alu("lsh", register, 16)
        self.at(HALF, R3, FRAME + offset + 2)
        self.alu_register("or", register, R3)

    def _ipv4(self) -> None:
        self.label("ipv4")
        self.load_bytes(14, FRAME + 14, 20, "truncated")
        if self.marks:
            self.owner_is_awake()
        self.find_entry(FRAME + 30, 4, "nothing")
        self._for_us()
        self.at(BYTE, R9, FRAME + 14)
        self.copy(R1, R9)
        self.alu("rsh", R1, 4)
        self.jump("jne", R1, 4, "malformed")
        self.alu("and", R9, 15)
        self.alu("lsh", R9, 2)
        self.jump("jlt", R9, 20, "malformed")
        self.half(R1, FRAME + 16)
        self._must_hold(R1, R9)
        whole = self.fresh()
        self.at(HALF, R1, FRAME + 20)
        self.alu("and", R1, wire(0x3FFF))
        self.jump("jeq", R1, 0, whole)
        self.jump("jne", R1, wire(0x2000), "nothing")  # of fragments the first alone has ports
        self.at(BYTE, R2, FRAME + 23)
        self.jump("jne", R2, UDP, "nothing")
        self.label(whole)
        self.here(HALF, _FIRST, R1)
        self.at(BYTE, R1, FRAME + 26)  # sources that no host has, as in powernap.net.ip
        for first in (0, 127):
            self.jump("jeq", R1, first, "malformed")
        self.jump("jge", R1, 224, "malformed")
        self.at(WORD, R1, FRAME + 26)
        self.at(WORD, R2, FRAME + 30)
        self.jump_register("jeq", R1, R2, "malformed")
        self.flow(FRAME + 26, FRAME + 30, 4, TCP)
        self.check_header4()
        self.alu("add", R9, 14)
        self.at(BYTE, R1, FRAME + 23)
        self.jump("jeq", R1, TCP, "tcp")
        self.jump("jeq", R1, UDP, "udp")
        if self.echoes:
            self.jump("jne", R1, ICMP, "nothing")
            self.jump("jne", R9, _IPV4_AT, "nothing")
            self._echo(_IPV4_AT, _ECHO4, "echo4")
        else:
            self.jump("ja", to="nothing")

    def _for_us(self) -> None:
        """On to "owner", "watched" or "nothing", or go on with what came to this card, or to the sleeper's own.

        A switch floods frames for a card that it has not heard for long.
        """
        ours = self.fresh()
        self.load(WORD, R1, R6, PACKET_TYPE)
        for kind in (PACKET_HOST, PACKET_OUTGOING):
            self.jump("jeq", R1, kind, ours)
        self.if_watched("nothing")
        self.if_other_mac(FRAME, "nothing")
        self.label(ours)
        self.if_owner(FRAME + 6, "owner")
        self.if_watched("watched")

    def _must_hold(self, total: int, header: int) -> None:
        """The IP packet's bytes (`total`; r1) are there, and more than those of its header. L4 = those behind it."""
        self.jump_register("jlt", total, header, "malformed")
        self.load(WORD, R2, R6, LENGTH)
        self.alu_register("sub", total, header)
        self.here(HALF, L4 + 20, total)
        self.alu_register("add", total, header)
        self.alu("add", total, 14)
        self.jump_register("jgt", total, R2, "malformed")

    def _ipv6(self) -> None:
        data = self.fresh()
        self.label("ipv6")
        self.load_bytes(14, FRAME + 14, 40, "truncated")
        if self.marks:
            self.owner_is_awake()
        self.at(BYTE, R1, FRAME + 14)
        self.alu("rsh", R1, 4)
        self.jump("jne", R1, 6, "malformed")
        self.half(R1, FRAME + 18)
        self.alu("add", R1, 40)
        self.mov(R9, 40)
        self._must_hold(R1, R9)
        self.at(BYTE, R1, FRAME + 20)
        self.jump("jne", R1, ICMPV6, data)
        self.load_bytes(_IPV6_AT, FRAME + 54, 24, data)
        self.at(BYTE, R1, FRAME + 54)
        self.jump("jeq", R1, _SOLICITATION, "neighbour")
        self.jump("jeq", R1, _ADVERTISEMENT, "neighbour")
        self.label(data)
        self.store_value(HALF, R10, _FIRST, 0)
        self.find_entry(FRAME + 38, 16, "nothing")
        self._for_us()
        self._source6()
        self.flow(FRAME + 22, FRAME + 38, 16, TCP)
        self.mov(R9, _IPV6_AT)
        self.at(BYTE, R1, FRAME + 20)
        self.jump("jeq", R1, TCP, "tcp")
        self.jump("jeq", R1, UDP, "udp")
        self.jump("jeq", R1, ip.FRAGMENT_HEADER, "fragment6")
        if self.echoes:
            self.jump("jne", R1, ICMPV6, "nothing")
            self._echo(_IPV6_AT, _ECHO6, "echo6")
        else:
            self.jump("ja", to="nothing")
        self._fragment6()
        self._neighbour_discovery()

    def _fragment6(self) -> None:
        """On to "udp" with the first fragment of a datagram: it alone has ports."""
        self.label("fragment6")
        self.at(HALF, R2, L4 + 20)
        self.jump("jlt", R2, ip.FRAGMENT_BYTES, "malformed")
        self.alu("sub", R2, ip.FRAGMENT_BYTES)
        self.here(HALF, L4 + 20, R2)
        self.load_bytes(_IPV6_AT, L4, ip.FRAGMENT_BYTES, "truncated")
        self.at(BYTE, R1, L4)
        self.jump("jne", R1, UDP, "nothing")
        self.at(HALF, R1, L4 + 2)
        self.alu("and", R1, wire(ip.MORE6 | ip.OFFSET6))
        self.jump("jne", R1, wire(ip.MORE6), "nothing")
        self.here(HALF, _FIRST, R1)
        self.mov(R9, _IPV6_AT + ip.FRAGMENT_BYTES)
        self.jump("ja", to="udp")

    def _source6(self) -> None:
        """Multicast, :: and ::1 are nobody's, and nobody writes to itself."""
        unlike, real = self.fresh(), self.fresh()
        self.at(BYTE, R1, FRAME + 22)
        self.jump("jeq", R1, 0xFF, "malformed")
        for offset in (0, 8):
            self.at(DOUBLE, R1, FRAME + 22 + offset)
            self.at(DOUBLE, R2, FRAME + 38 + offset)
            self.jump_register("jne", R1, R2, unlike)
        self.jump("ja", to="malformed")
        self.label(unlike)
        for size, offset in ((DOUBLE, 0), (WORD, 8), (HALF, 12), (BYTE, 14)):
            self.at(size, R1, FRAME + 22 + offset)
            self.jump("jne", R1, 0, real)
        self.jump("ja", to="malformed")
        self.label(real)

    def _neighbour_discovery(self) -> None:
        asked, unusual = self.fresh(), self.fresh()
        self.label("neighbour")
        self.at(BYTE, R1, FRAME + 21)
        self.jump("jne", R1, 255, "malformed")
        self.at(BYTE, R1, FRAME + 55)
        self.jump("jne", R1, 0, "malformed")
        self.at(HALF, R1, L4 + 20)
        self.jump("jlt", R1, 24, "malformed")
        for place in (22, 62):
            self.at(BYTE, R1, FRAME + place)
            self.jump("jeq", R1, 0xFF, "malformed")
        self.stamp()
        self.find_entry(FRAME + 62, 16, "nothing")
        self.if_owner(FRAME + 6, "owner")
        self.at(BYTE, R1, FRAME + 54)
        self.jump("jne", R1, _SOLICITATION, "claim" if self.claims else "nothing")
        for offset in (0, 8):
            self.at(DOUBLE, R1, FRAME + 22 + offset)
            self.jump("jne", R1, 0, asked)
        self.jump("ja", to="probe")
        self.label(asked)
        self.if_watched("watched")
        self.flow(FRAME + 22, FRAME + 62, 16, QUESTION)
        self.mov(R9, 0)
        self.at(HALF, R1, L4 + 20)
        self.jump("jne", R1, 32, unusual)
        self.load_bytes(78, FRAME + 78, 8, unusual)
        self.at(HALF, R1, FRAME + 78)
        self.jump("jne", R1, wire(0x0101), unusual)
        self.at(BYTE, R1, FRAME + 80)
        self.jump("jset", R1, 1, unusual)
        self.mov(R9, 1)
        self.label(unusual)
        self.jump("ja", to="question6")

    def _echo(self, at: int, kind: int, to: str) -> None:
        self.copy(R1, R8)
        self.alu("and", R1, layout.PINGS)
        self.jump("jeq", R1, 0, "nothing")
        self.at(HALF, R1, L4 + 20)
        self.jump("jlt", R1, 8, "malformed")
        self.load_bytes(at, L4, 4, "truncated")
        self.at(HALF, R1, L4)
        self.jump("jne", R1, wire(kind << 8), "nothing")  # type and code
        self.jump("ja", to=to)

    def _transport(self) -> None:
        """L4 + 20 has how many bytes there are behind the IP header."""
        self.label("tcp")
        self.at(HALF, R1, L4 + 20)
        self.jump("jlt", R1, 20, "malformed")
        self._load_header(20)
        opens, wanted = self.fresh(), self.fresh()
        self.at(BYTE, R1, L4 + 12)
        self.alu("rsh", R1, 4)
        self.alu("lsh", R1, 2)
        self.jump("jlt", R1, 20, "malformed")
        self.at(HALF, R2, L4 + 20)
        self.jump_register("jgt", R1, R2, "malformed")
        self.at(BYTE, R3, L4 + 13)
        self.alu("and", R3, _FIN_SYN_RST_ACK)
        self.jump("jeq", R3, _SYN, opens)
        # Else only what is typed into an ssh session that was there before.
        self.at(HALF, R0, L4 + 2)
        self.jump("jne", R0, wire(_SSH), "nothing")
        self.jump("jset", R3, _FIN_SYN_RST_ACK & ~0x10, "nothing")
        self.jump_register("jeq", R1, R2, "nothing")
        self.label(opens)
        self.half(R3, L4 + 2)
        self.in_ranges(R3, layout.TCP_AT, wanted)
        self._more(layout.MORE_TCP, wanted)
        self._udp()
        self.label(wanted)
        self.copy_bytes(FLOW_PORTS, L4, 4)
        self.jump("ja", to="demand")

    def _load_header(self, length: int) -> None:
        self.load_bytes_at(R9, 0, L4, length, "truncated")

    def _more(self, flag: int, wanted: str) -> None:
        """A port that is in no range here may be in one that did not fit: the daemon knows."""
        self.copy(R1, R8)
        self.alu("and", R1, flag)
        self.jump("jeq", R1, 0, "nothing")
        self.alu("and", R8, ~layout.FIRES)
        self.jump("ja", to=wanted)

    def _udp(self) -> None:
        wanted, real, whole = self.fresh(), self.fresh(), self.fresh()
        self.label("udp")
        self.at(HALF, R1, L4 + 20)
        self.jump("jlt", R1, 8, "malformed")
        self._load_header(8)
        self.half(R1, L4 + 4)
        self.jump("jlt", R1, 8, "malformed")
        self.at(HALF, R2, L4 + 20)
        self.at(HALF, R3, _FIRST)
        self.jump("jeq", R3, 0, whole)
        self.jump_register("jgt", R1, R2, real)
        self.jump("ja", to="malformed")
        self.label(whole)
        self.jump_register("jgt", R1, R2, "malformed")
        self.jump("jne", R1, 9, real)
        self.load_bytes_at(R9, 8, L4 + 8, 1, "truncated")
        self.at(BYTE, R1, L4 + 8)
        self.jump("jeq", R1, 0xFF, "nothing")  # keeps a NAT entry alive
        self.label(real)
        self.half(R3, L4 + 2)
        self.in_ranges(R3, layout.UDP_AT, wanted)
        self._more(layout.MORE_UDP, wanted)
        self.label(wanted)
        self.copy_bytes(FLOW_PORTS, L4, 4)
        self.store_value(WORD, R10, FLOW_KIND, UDP)
        self.jump("ja", to="demand")
