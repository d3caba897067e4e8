# SPDX-License-Identifier: GPL-3.0-or-later
from powernap.shared import signing

KEY = "00" * 32
REQUEST = (KEY, "POST", "/v1/hosts/web1/asleep", "web1", 7, b"{}")


def test_every_part_of_a_request_is_signed():
    signature = signing.sign(*REQUEST)
    others = ("11" * 32, "PUT", "/v1/hosts/web1/awake", "web2", 8, b"{ }")
    for place, other in enumerate(others):
        changed = [*REQUEST]
        changed[place] = other
        assert not signing.same(signature, signing.sign(*changed))
    assert signing.same(signature, signing.sign(*REQUEST))


def test_an_answer_is_bound_to_its_request_and_its_status():
    answer = signing.sign_answer(KEY, 7, 200, b"{}")
    assert signing.same(answer, signing.sign_answer(KEY, 7, 200, b"{}"))
    for other in ((KEY, 8, 200, b"{}"), (KEY, 7, 409, b"{}"), (KEY, 7, 200, b""), ("11" * 32, 7, 200, b"{}")):
        assert not signing.same(answer, signing.sign_answer(*other))


def test_a_request_never_passes_for_an_answer():
    assert signing.sign(*REQUEST) != signing.sign_answer(KEY, 7, 200, b"{}")
