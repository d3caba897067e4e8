# SPDX-License-Identifier: GPL-3.0-or-later
"""The registered kinds of one sort of thing. Only those that a configuration names are imported: memory is dear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from powernap.shared.schema import Option

T = TypeVar("T")


class Kinds(Mapping[str, type[T]], Generic[T]):
    """``classes``: for each kind its module and class below the package, such as "tcp.TcpMonitor"."""

    def __init__(self, package: str, classes: Mapping[str, str]) -> None:
        self._package = package
        self._classes = classes

    def __getitem__(self, kind: str) -> type[T]:
        module, _dot, name = self._classes[kind].rpartition(".")
        found: type[T] = getattr(import_module(f"{self._package}.{module}"), name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)


class Options(Mapping[str, tuple[Option, ...]]):
    """The options of each kind."""

    def __init__(self, kinds: Kinds[Any]) -> None:
        self._kinds = kinds

    def __getitem__(self, kind: str) -> tuple[Option, ...]:
        options: tuple[Option, ...] = self._kinds[kind].options
        return options

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)
