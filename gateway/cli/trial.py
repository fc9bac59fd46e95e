"""What mappings would do with files, without a destination: which fit, which nearly do, what tables lack."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gateway import pipeline
from gateway.convert.workshop import Workshop
from gateway.dispatch import discard
from gateway.errors import GatewayError, Hold, Reject, Retry, Skip
from gateway.mapping.description import Description
from gateway.mapping.known import known
from gateway.mapping.language import Mapping
from gateway.mapping.select import Subject, select
from gateway.mapping.sources import ask
from gateway.mapping.sources.group import Group
from gateway.mapping.sources.path import Paths
from gateway.mapping.sources.source import Case
from gateway.mapping.sources.table import Asked, TableSource
from gateway.mapping.tables.sheet import BadTable
from gateway.model import Kind, Probe, Source

_WORDS = {Hold: "held", Skip: "skipped", Retry: "to be tried again", Reject: "rejected"}


class Trial:
    """One run over files. `left_out` counts those that would not be sent, by what becomes of them.

    `consulted` are the files that something is known of others by, which are not to be sent themselves.
    """

    def __init__(self, mappings: Sequence[Mapping], shop: Workshop) -> None:
        self.mappings = tuple(mappings)
        self.request = Description(mappings=self.mappings)
        self.work = pipeline.Work(uuid.UUID(int=0), description=self.request)
        self.shop = shop
        self.fitting: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.consulted: set[Path] = set()
        self._asked: dict[TableSource, list[Asked]] = {}

    def run(self, samples: Sequence[Path]) -> Iterator[str]:
        """A line for each file, then what is to be said of tables, then how many files fit."""
        probes: list[Probe] = []
        unreadable: list[str] = []
        refused: list[tuple[Source, GatewayError]] = []
        for source in self._sources(samples, unreadable):
            try:
                probes.append(pipeline.look(source, self.work))
            except (Reject, Hold, Skip, Retry) as error:
                refused.append((source, error))
        together = pipeline.groups(probes)
        for probe in probes:
            yield from self._examined(probe, together[probe.source.shown.parent])
        only_read = [source for source, _ in refused if source.shown.absolute() in self.consulted]
        for source, reason in refused:
            if source not in only_read:
                yield from self._refused(source, reason)
        self.left_out.update(["rejected"] * len(unreadable))
        yield from unreadable
        yield from self._tables()
        yield self._summary(len(only_read))

    def _sources(self, samples: Sequence[Path], unreadable: list[str]) -> Iterator[Source]:
        for path in samples:
            yield from pipeline.sources(path, lambda _path, reason: unreadable.append(reason), self.shop)

    def _examined(self, probe: Probe, group: Group) -> Iterator[str]:
        source = probe.source
        try:
            subject = select(probe, self.request, group)
            self._remember(subject)
            candidate = pipeline.examine(probe, self.work, group)
            messages = self._constructed(candidate)
        except (Reject, Hold, Skip, Retry) as error:
            self._consult(getattr(error, "depends", ()))
            yield from self._refused(source, error)
            return
        self._consult(candidate.depends)
        name = subject.mapping.name if subject.mapping else ""
        self.fitting[name] += 1
        yield f"{source.shown}: ok ({name})"
        yield from (f"  {_without(message, source)}" for message in messages)

    def _constructed(self, candidate: pipeline.Candidate) -> tuple[str, ...]:
        """What there is to say of the object that a file becomes. Videos that have to be converted are left
        as they are, since that takes as long as to look at them."""
        probe = candidate.probe
        if probe and probe.convert and probe.kind is Kind.VIDEO:
            return candidate.messages
        [identity] = pipeline.Prepared([candidate]).identities(self.work.namespace)
        instance = pipeline.construct(candidate, identity, {}, self.work, self.shop)
        discard([instance])
        return instance.messages

    def _consult(self, paths: Iterable[Path]) -> None:
        self.consulted.update(path.absolute() for path in paths)

    def _refused(self, source: Source, error: GatewayError) -> Iterator[str]:
        """What becomes of a file that would not be sent, and which patterns it nearly matches."""
        word = next(word for kind, word in _WORDS.items() if isinstance(error, kind))
        self.left_out[word] += 1
        first, *others = _without(str(error), source).splitlines()
        yield f"{source.shown}: {word}: {first}"
        yield from (f"  {line}" for line in others)
        for mapping in self.mappings:
            for paths in mapping.sources:
                for hint in paths.nearly(source) if isinstance(paths, Paths) else ():
                    yield f"  the mapping {mapping.name} would match its {hint}"

    def _remember(self, subject: Subject) -> None:
        """Keeps what the tables are asked for a file, to tell which of their rows nobody asks for."""
        if subject.mapping is None:
            return
        facts = known(subject.probe, subject.mapping, self.request, subject.group).facts
        troubles: list[GatewayError] = []
        case = Case(subject.probe, ask(subject.probe, facts, subject.mapping.sources, troubles).facts)
        for source in subject.mapping.sources:
            if isinstance(source, TableSource):
                try:
                    self._asked.setdefault(source, []).append(source.asked(case))
                except Hold:
                    continue  # it is told when the file is examined

    def _tables(self) -> Iterator[str]:
        for mapping in self.mappings:
            for source in mapping.sources:
                if isinstance(source, TableSource):
                    try:
                        for report in source.report(self._asked.get(source, [])):
                            yield from report.lines
                    except BadTable as problem:
                        yield f"the table {source.name} of {mapping.name} {problem}"

    def _summary(self, only_read: int) -> str:
        total = self.fitting.total() + self.left_out.total() + only_read
        said = [f"{count} ok" for count in [self.fitting.total()] if count]
        said += [f"{count} {word}" for word, count in self.left_out.items()]
        said += [f"{only_read} read for the others"] if only_read else []
        return f"{total} {'file' if total == 1 else 'files'}: {', '.join(said) or 'nothing to try'}"


def _without(text: str, source: Source) -> str:
    """A message without the name of the file, which stands before it already."""
    return source.as_shown(text).replace(f"{source.shown}: ", "")
