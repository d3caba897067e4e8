# SPDX-License-Identifier: GPL-3.0-or-later
"""Every resource of /api/v1. A package that has some offers `routes(service)`, and has one line here."""

from __future__ import annotations

from collections.abc import Callable

from powernap.wake.api.route import Route
from powernap.wake.service import Service

PACKAGES: tuple[Callable[[Service], list[Route]], ...] = ()


def routes(service: Service) -> list[Route]:
    return [route for package in PACKAGES for route in package(service)]
