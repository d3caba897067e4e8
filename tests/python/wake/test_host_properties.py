# SPDX-License-Identifier: GPL-3.0-or-later
"""A host, its wake server and a client in any interleaving: sleep, wake, frames, timers, losses, restarts."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.python.wake.play import OWNER, SLEEP, THIRD, WEB4, WEB6, asked, knock, own, self_asked

from powernap.wake import events as ev
from powernap.wake.host import Host
from powernap.wake.hosts import step
from powernap.wake.model import Address, Policy, Sleep, State
from powernap.wake.posture import goes_on, posture, stands

POLICY = Policy()
BY_THEN_DOWN = 40.0


class World(RuleBasedStateMachine):
    """The truth (is the owner up?) beside what the server believes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.up = True
        self.wakes_at: float | None = None
        self.resume = 1.0
        self.loses_magic = 0
        self.hello_arrives = True
        self.probes_arrive = True
        self.answers_since: float | None = 0.0
        self.registered_at: float | None = None
        self.on_disk: Sleep | None = None
        self.budget = True
        self.looks_at = POLICY.look_seconds
        self.unsettled: dict[tuple[object, ...], bytes] = {}
        self.host = Host("web1", macs=(OWNER,), addresses=(WEB4,))

    @initialize(resume=st.sampled_from((0.3, 2.5, 13.0)), wake_on=st.sampled_from(("demand", "demand", "arp")))
    def begin(self, resume: float, wake_on: str) -> None:
        self.resume = resume
        self.host = Host("web1", macs=(OWNER,), addresses=(WEB4,), wake_on=wake_on)

    # The wires between them

    def tell(self, event: ev.Event) -> list[ev.Effect]:
        before = self.host
        self.host, effects = step(self.host, event, self.now, POLICY)
        if goes_on(before, self.host):
            assert stands(before) == stands(self.host) and posture(before) == posture(self.host)
        self._nothing_held_is_lost(before, effects)
        for effect in effects:
            self._carry_out(effect)
        if any(isinstance(effect, ev.Volley) and self._is_postponed(effect) for effect in effects):
            self.tell(ev.Postponed())
        return effects

    def _is_postponed(self, volley: ev.Volley) -> bool:
        return volley.number == 0 and not volley.granted and not self.budget

    def _nothing_held_is_lost(self, before: Host, effects: list[ev.Effect]) -> None:
        """A held frame is replayed, or given up with an alert; a SYN may be superseded by a newer one of its flow."""
        for effect in effects:
            if isinstance(effect, ev.Replay):
                self.unsettled.pop(effect.held.flow, None)
        for held in self.host.held:
            if held not in before.held:
                self.unsettled[held.flow] = held.frame
        gone = self.unsettled.keys() - {held.flow for held in self.host.held}
        if gone:
            assert any(isinstance(effect, ev.Released) for effect in effects), f"{gone} is lost without a trace"
            assert any(isinstance(effect, ev.Log) and effect.event == "alert" for effect in effects)
            for flow in gone:
                del self.unsettled[flow]

    def _carry_out(self, effect: ev.Effect) -> None:
        if isinstance(effect, (ev.Answer, ev.Announce)):
            assert self.on_disk is not None, "it stands in for a host that said it is awake"
            assert self.host.wake_on == "demand"
            if isinstance(effect, ev.Announce) and effect.to is None:
                self._nobody_is_told_who_would_have_answered()
        elif isinstance(effect, ev.Probe) and self.up and self.probes_arrive:
            self.tell(ev.OwnerSeen(effect.address.ip))
        elif isinstance(effect, ev.Volley) and not self.up and self.wakes_at is None:
            if self._is_postponed(effect):
                return
            if self.loses_magic:
                self.loses_magic -= 1
            else:
                self.wakes_at = self.now + self.resume
        elif isinstance(effect, ev.Forgotten):
            self.on_disk = None

    def _nobody_is_told_who_would_have_answered(self) -> None:
        """An announcement fails the duplicate-address detection of an owner that is just coming up."""
        since = self.answers_since
        assert since is None or self.now - since < POLICY.answer_seconds + 1e-6, "it was not asked before it was told"

    def _reach(self) -> None:
        """Note since when questions are answered."""
        answers = self.up and self.probes_arrive
        self.answers_since = (self.now if self.answers_since is None else self.answers_since) if answers else None

    def _wakes(self) -> None:
        self.up, self.wakes_at, self.registered_at = True, None, None
        self._reach()
        if self.hello_arrives:
            self._hello()
        else:
            self.tell(ev.OwnerSeen(WEB4.ip))

    def _hello(self) -> None:
        self.on_disk = None
        self.registered_at = None
        self.tell(ev.Hello("resume"))

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(50_000):
            due = self.host.deadline(POLICY)
            wake = self.wakes_at if self.wakes_at is not None else float("inf")
            first = min(due, wake, self.looks_at)
            if first > end:
                self.now = end
                return
            self.now = max(self.now, first)
            if wake <= first:
                self._wakes()
            elif self.looks_at <= first:
                self.looks_at = self.now + POLICY.look_seconds
                self.tell(ev.Look())
            else:
                self.tell(ev.Tick())
        raise AssertionError("it ticks without end")

    # What can happen

    @rule(seconds=st.sampled_from((0.05, 0.2, 1.0, 3.0, 20.0)))
    def time_passes(self, seconds: float) -> None:
        self.pass_time(seconds)

    @precondition(lambda self: self.up)
    @rule(acknowledged=st.booleans())
    def registers(self, acknowledged: bool) -> None:
        self.on_disk = SLEEP
        self.tell(ev.Asleep(SLEEP))
        # Without the acknowledgement it stays up, and says nothing more.
        self.registered_at = self.now if acknowledged else None

    @precondition(lambda self: self.up and self.registered_at is not None)
    @rule()
    def goes_down(self) -> None:
        if self.registered_at is not None and self.now - self.registered_at < BY_THEN_DOWN:
            self.up = False
            self._reach()

    @precondition(lambda self: not self.up)
    @rule()
    def comes_up_in_silence(self) -> None:
        """By its button, say, and its first second goes to duplicate-address detection."""
        self.up, self.wakes_at, self.registered_at = True, None, None
        self._reach()

    @precondition(lambda self: self.up)
    @rule()
    def says_hello(self) -> None:
        self._hello()

    @rule(losses=st.integers(0, 6), hello=st.booleans(), probes=st.booleans())
    def the_network_changes(self, losses: int, hello: bool, probes: bool) -> None:
        self.loses_magic, self.hello_arrives, self.probes_arrive = losses, hello, probes
        self._reach()

    @rule(probe=st.booleans(), address=st.sampled_from((WEB4, WEB6)))
    def somebody_asks(self, probe: bool, address: Address) -> None:
        self.tell(asked(address, probe))

    @rule(port=st.integers(1, 100), once=st.booleans(), address=st.sampled_from((WEB4, WEB6)))
    def somebody_knocks(self, port: int, once: bool, address: Address) -> None:
        before = self.host
        effects = self.tell(knock(port, address=address, once=once))
        if before.state in (State.PROXIED, State.UNREACHABLE) and before.sleep is not None:
            assert effects[0] == ev.Volley(0), "a demand on a sleeper must send magic packets at once"

    @rule(address=st.sampled_from((WEB4, WEB6)))
    def this_machine_asks(self, address: Address) -> None:
        before = self.host
        effects = self.tell(self_asked(address))
        if before.state in (State.PROXIED, State.UNREACHABLE) and before.sleep is not None:
            assert effects[0] == ev.Volley(0), "it cannot be answered, so it is demand"

    @rule(port=st.integers(1, 100))
    def this_machine_knocks(self, port: int) -> None:
        self.tell(own(knock(port)))

    @rule()
    def somebody_claims_the_address(self) -> None:
        self.tell(ev.Claimed(WEB4, THIRD))

    @precondition(lambda self: self.up)
    @rule(ip=st.sampled_from((None, WEB4.ip, WEB6.ip)))
    def the_owner_sends(self, ip: bytes | None) -> None:
        self.tell(ev.OwnerSeen(ip))

    @rule()
    def somebody_orders(self) -> None:
        self.tell(ev.Order("root", 60))

    @rule(plenty=st.booleans())
    def the_budget_changes(self, plenty: bool) -> None:
        self.budget = plenty

    @rule()
    def its_turn_comes(self) -> None:
        before = self.host
        effects = self.tell(ev.Turn())
        if before.wake is not None and before.wake.waits:
            assert effects == [ev.Volley(0, granted=True)]
        else:
            assert effects == [] and self.host is before

    @rule()
    def an_interface_comes_back(self) -> None:
        if self.on_disk is not None and self.host.sleep is not None:
            waited = self.host.wake is not None and not self.host.wake.quiet
            self.tell(ev.Recalled(self.on_disk))
            assert not waited or (self.host.arm is not None and self.host.arm.wanted is not None)

    @rule()
    def the_server_restarts(self) -> None:
        self.unsettled.clear()
        self.host = Host("web1", macs=(OWNER,), addresses=(WEB4,), wake_on=self.host.wake_on)
        if self.on_disk is not None:
            self.tell(ev.Recalled(self.on_disk))

    # What must hold

    @invariant()
    def the_queue_is_bounded(self) -> None:
        assert len(self.host.held) <= POLICY.held_per_host

    @invariant()
    def every_state_has_what_it_needs(self) -> None:
        host = self.host
        assert (host.state is State.WAKING) == (host.wake is not None)
        assert (host.state is State.RESTORING) == (host.restore is not None)
        assert (host.state not in (State.REGISTERED, State.ARMING)) or host.arm is not None
        assert not host.stands_in() or host.sleep is not None
        assert not host.captured or host.state is not State.AWAKE, "captured only while it is not known awake"
        assert not host.held or host.wake or host.arm or host.restore, "what is held waits for something that ends"

    @invariant()
    def a_waking_host_is_never_waited_for_without_an_end(self) -> None:
        wake = self.host.wake
        if wake is not None and wake.waits:
            assert wake.next_volley is None and wake.deadline == float("inf")
            assert wake.patience is not None and wake.patience <= POLICY.resume_timeout + 1e-6
        elif wake is not None:
            assert wake.ends <= self.now + POLICY.resume_timeout + 1e-6

    def teardown(self) -> None:
        """From wherever it is: with a network that works, the truth comes out."""
        self.loses_magic, self.hello_arrives, self.probes_arrive, self.budget = 0, True, True, True
        self.tell(ev.Turn())
        if self.up:
            self.pass_time(POLICY.look_seconds + 30)
            assert not self.host.stands_in(), "an owner that answers is no longer stood in for"
            return
        if self.on_disk is None:
            return  # it went down unbeknown to the server: nobody stands in for it
        for attempt in range(60):
            # A client that goes on trying, as TCP does, and reaches the server once that has announced itself.
            self.tell(asked())
            self.tell(knock(attempt))
            self.pass_time(3)
            if self.up:
                break
        assert self.up, "a demand on a sleeping host leads to its waking"
        self.pass_time(60)
        assert self.host.state is State.AWAKE
        assert not self.host.stands_in()


World.TestCase.settings = settings(max_examples=3 * settings.default.max_examples, stateful_step_count=40)
TestWorld = World.TestCase
