"""Twins with aids in the finished dataset: one stays only if the other does, or the aid would tell of the limb."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from a3dgen.core.errors import Rejected
from a3dgen.devices.device import devices_from_json, is_prosthesis

LONELY = "its twin was refused, and without one the aid that it carries would tell whether a limb is lost"


@dataclass
class Pairs:
    """Samples with aids and their twins, while they are drawn one after the other.

    Attributes:
        partners: key of a sample with an aid -> the keys of its twins; who has none by design is not in it.
        refused: keys that were not drawn. drawn: keys that were. why: of those that a twin's turn found out about.
    """

    partners: Mapping[str, tuple[str, ...]]
    refused: set[str] = field(default_factory=set)
    drawn: set[str] = field(default_factory=set)
    why: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, keys: Sequence[str], twins: Sequence[str], devices: Sequence[str]) -> Pairs:
        """Return the pairs of some samples: keys, the twin that each of them names, and their devices as JSON."""
        known = set(keys)  # a sample that is drawn again alone has no twin beside it
        aids = {k for k, text in zip(keys, devices, strict=True) if _aids(text)}
        partners: dict[str, list[str]] = {k: [] for k in keys if k in aids}
        for key, twin in zip(keys, twins, strict=True):
            for one, other in ((key, twin), (twin, key)):
                if one in partners and other in known and other not in partners[one]:
                    partners[one].append(other)
        return cls({k: tuple(v) for k, v in partners.items() if v})

    def order(self, keys: Sequence[str]) -> list[str]:
        """Return the keys so that whoever is named by several others comes after them; unchanged without aids."""
        place = {k: n for n, k in enumerate(keys)}
        last = {k: max([place[k], *(place[p] for p in self.partners.get(k, ()) if p in place)]) for k in keys}
        shared = {k for k, p in self.partners.items() if len(p) > 1}
        return sorted(keys, key=lambda k: (last[k] if k in shared else place[k], k in shared))

    @contextmanager
    def turn_of(self, key: str, draw: Callable[[str], object]) -> Iterator[None]:
        """Draw one sample inside of this: it counts as refused if that raises.

        Args:
            draw: raises Rejected if a sample cannot be drawn, and writes nothing: asked about twins whose turn comes
                later, so that nobody is finished whose twin will be refused.

        Raises:
            Rejected: if it carries an aid and all of its twins are refused, or will be; with its own reason if it has
                one.
        """
        self.refused.add(key)  # until it is drawn
        for other in self.partners.get(key, ()):
            if other not in self.drawn | self.refused:
                try:
                    draw(other)
                except Rejected as error:
                    self.refused.add(other)
                    self.why[other] = str(error)
        if self.lonely(key):
            if key not in self.why:
                draw(key)  # a reason of its own is the truer one
            raise Rejected(self.why.get(key, LONELY))
        yield
        self.refused.discard(key)
        self.drawn.add(key)

    def lonely(self, key: str) -> bool:
        """Whether a sample carries an aid and all of its twins were refused."""
        partners = self.partners.get(key, ())
        return bool(partners) and self.refused.issuperset(partners)


def _aids(text: str) -> bool:
    return text not in ("", "[]") and any(not is_prosthesis(d) for d in devices_from_json(text))
