"""`gateway queue`: what became of files, and what a person decides about those that wait."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.cli import options as shared
from gateway.errors import Fatal, GatewayError
from gateway.ledger import Entry, Ledger, Query, State
from gateway.ledger.states import FINISHED, UNCLAIMED, WAITING

if TYPE_CHECKING:
    from gateway.ledger.records import Detail

MANY = 20
"""Files beyond which a person at a terminal is asked."""
PAGE = 50
BLOCKS = 3
"""Files that `find` shows in full; of more it shows a list."""
PATIENCE = 5.0
"""Seconds that somebody who looks waits for others to end what they write."""
NOT_FOUND = 3
"""The exit status when nothing is what was asked for."""

IN_TROUBLE = frozenset({State.HELD, State.RETRY, State.REJECTED, State.REFUSED})
"""What is tried again when nothing is said of states."""
GIVEN_UP = frozenset({State.HELD, State.RETRY})
"""What is rejected when nothing is said of states."""
ATTENTION = (State.HELD, State.REJECTED, State.REFUSED, State.CHANGED)
"""States that a person has to know of."""

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group("queue", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def command() -> None:
    """Shows what became of files, and decides about those that wait.

    Name the ledger by its configuration (--config, GATEWAY_CONFIG) or by its file (--ledger,
    GATEWAY_LEDGER). The daemon may run at the same time.
    """


# The ledger


@dataclass(frozen=True, slots=True)
class Desk:
    """A ledger that is open, and the folders of its configuration by name, where that is known."""

    ledger: Ledger
    roots: Mapping[str, Path]


def _of_a_ledger(wanted: Command) -> Command:
    """Adds the options that name a ledger."""
    config = click.option(
        "--config",
        "configuration",
        metavar="CONFIG",
        type=shared.FILE,
        envvar="GATEWAY_CONFIG",
        help="The configuration whose ledger is meant.",
    )
    ledger = click.option(
        "--ledger",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="GATEWAY_LEDGER",
        help="The ledger itself.",
    )
    return config(ledger(wanted))


@contextmanager
def _desk(configuration: Path | None, ledger: Path | None, *, looking: bool = False) -> Iterator[Desk]:
    """Opens the ledger. Raises `Fatal` where none is named, or there is none."""
    from gateway.intake.configuration import outline

    configuration, ledger = _meant(configuration, ledger)
    found = outline(configuration) if configuration else None
    path = found.ledger if found else ledger
    if path is None:
        raise Fatal("there is no ledger: name its configuration with --config, or its file with --ledger")
    if not path.is_file():  # opening it would make one
        raise Fatal(f"there is no ledger at {path}: check the name, or start the gateway first")
    with _opened(path, looking) as opened:
        yield Desk(opened, found.folders if found else {})


def _opened(path: Path, looking: bool) -> Ledger:
    """The ledger; one that cannot be written just now is still one to look at."""
    if not looking:
        return Ledger.open(path)
    try:
        return Ledger.open(path, patience=PATIENCE)
    except GatewayError:
        return Ledger.open(path, read_only=True)


def _meant(configuration: Path | None, ledger: Path | None) -> tuple[Path | None, Path | None]:
    """One of the two: what was typed counts more than what the environment says."""
    if configuration is None or ledger is None:
        return configuration, ledger
    from_environment = {
        name: click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT
        for name in ("configuration", "ledger")
    }
    if not any(from_environment.values()):
        raise Fatal("--config and --ledger do not go together: a configuration names its ledger")
    return (None, ledger) if from_environment["configuration"] else (configuration, None)


# Which files


def _filters(wanted: Command) -> Command:
    """Adds the options that choose files by what they are."""
    state = click.option(
        "--state",
        "states",
        metavar="STATE",
        multiple=True,
        type=click.Choice([each.value for each in State]),
        help="Only files in this state, such as held; may be given several times.",
    )
    folder = click.option("--folder", metavar="NAME", help="Only files of this folder.")
    destination = click.option("--destination", metavar="NAME", help="Only files for this destination.")
    reason = click.option("--reason", metavar="REASON", help="Only files with this reason.")
    return state(folder(destination(reason(wanted))))


def _query(options: Mapping[str, Any]) -> Query:
    return Query(
        states=frozenset(map(State, options["states"])) or None,
        folder=options["folder"],
        destination=options["destination"],
        reason=options["reason"],
    )


ids_argument = click.argument("ids", nargs=-1, type=click.IntRange(1), metavar="ID...")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_who = click.option("--as", "who", metavar="WHO", help="Who does this; you unless given.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files that something is done to, their states, and why it is not done to others that were named."""

    query: Query
    states: Counter[State]
    left: Mapping[int, str]

    @property
    def count(self) -> int:
        """How many files something is done to."""
        return self.states.total()


def _chosen(
    desk: Desk, ids: Sequence[int], options: Mapping[str, Any], *, allowed: frozenset[State], usual: Query
) -> Chosen:
    """The files named by number, or all that the filters choose.

    Raises `Fatal` where neither or both are given. Filters that name no state mean the usual ones.
    """
    query = _query(options)
    filtered = options["all_files"] or query != Query()
    if bool(ids) == bool(filtered):
        raise Fatal(
            "name files by their numbers, or choose them by --state, --folder, --destination or --reason; "
            "--all means all"
        )
    if ids:
        return _by_number(desk, ids, allowed)
    states = (query.states or usual.states or allowed) & allowed
    if not states:
        named = ", ".join(sorted(query.states or ()))
        raise Fatal(
            f"that cannot be done to files that are {named}: those it can be done to are {_list(allowed)}"
        )
    query = replace(query, states=states)
    return Chosen(query, Counter(each.state for each in desk.ledger.reports.every(query)), {})


def _by_number(desk: Desk, ids: Sequence[int], allowed: frozenset[State]) -> Chosen:
    wanted = tuple(dict.fromkeys(ids))
    found = {each.id: each for each in desk.ledger.reports.every(Query(ids=wanted, replaced=True))}
    left = {number: why for number in wanted if (why := _why_not(found.get(number), allowed)) is not None}
    able = tuple(number for number in wanted if number not in left)
    return Chosen(Query(ids=able), Counter(found[number].state for number in able), left)


def _why_not(entry: Entry | None, allowed: frozenset[State]) -> str | None:
    """Why something cannot be done to a file; None where it can."""
    if entry is None:
        return "there is no such file"
    if not entry.current:
        return "a later version of the file has taken its place"
    if not entry.path:
        return "its path was forgotten (purge)"
    if entry.state in allowed:
        return None
    hints = {
        State.CHANGED: "; see 'gateway queue revise' and 'gateway queue reject'",
        State.CLAIMED: ": somebody works on it just now",
    }
    return f"it is {entry.state}{hints.get(entry.state, '')}"


def _list(states: frozenset[State]) -> str:
    return ", ".join(sorted(states))


# Saying and asking


def _who(given: str | None) -> str:
    """Who decides, for the record."""
    if given:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in containers
        return f"user {os.getuid()}"


def _confirm(count: int, question: str, *, unless: bool) -> None:
    """Asks a person at a terminal whether so many files are meant."""
    if count > MANY and not unless and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)


def _some(count: int, noun: str) -> str:
    """So many of a thing, in words."""
    return f"{count} {noun if count == 1 else f'{noun}s'}"


def _told(done: int, said: str, left: Mapping[int, str], *, json_wanted: bool) -> int:
    """Says what was done and what was not; the exit status."""
    if json_wanted:
        not_done = [{"id": number, "why": why} for number, why in left.items()]
        click.echo(json.dumps({"done": done, "not_done": not_done}, ensure_ascii=False))
    else:
        for number, why in left.items():
            click.echo(f"gateway: {number}: {why}", err=True)
        click.echo(said)
    return NOT_FOUND if left else 0


# Looking


def _looked(desk: Desk, who: str, what: str, files: Collection[int]) -> None:
    """Records whose files somebody is about to see, by number: what they asked for may name a patient.

    What cannot be recorded is shown all the same: the picture may be needed now.
    """
    with _recording(who):
        desk.ledger.decisions.look(dict.fromkeys(files), who, what)


@contextmanager
def _recording(who: str) -> Iterator[None]:
    """Says so where it cannot be recorded that somebody looks."""
    try:
        yield
    except GatewayError as error:
        click.echo(f"gateway: that {who} looked is not recorded: {error}", err=True)


@command.command("list", short_help="Count files by state, and list those that need a person.")
@_of_a_ledger
@_filters
@click.option(
    "--limit", type=click.IntRange(1), default=PAGE, show_default=True, help="At most so many files."
)
@click.option("--after", type=click.IntRange(0), default=0, metavar="ID", help="Only files after this one.")
@as_who
@as_json
def list_files(**options: Any) -> int:
    """Counts files by state and folder, and lists those that need a person or that the filters choose."""
    from gateway.cli import queue_views as views

    with _desk(options["configuration"], options["ledger"], looking=True) as desk:
        reports = desk.ledger.reports
        query = _query(options)
        chosen = query != Query()
        entries = reports.page(
            query if chosen else Query(states=frozenset(ATTENTION)),
            after=options["after"],
            limit=options["limit"] + 1,
        )
        shown, more = entries[: options["limit"]], len(entries) > options["limit"]
        if chosen and shown:
            # Names of files may name patients, so that what somebody chooses is noted, as an export is. The
            # list of work that is open is looked at all day, and by programs: it would bury all else.
            who = _who(options["who"])
            with _recording(who):
                desk.ledger.decisions.note(who, "list", _some(len(shown), "file"))
        counts = reports.counts()
        reasons = {state: reports.reasons(state) for state in (State.HELD, State.REJECTED, State.REFUSED)}
        if options["as_json"]:
            views.print_json(
                {
                    "counts": [
                        {
                            "folder": each.folder,
                            "destination": each.destination,
                            "state": each.state.value,
                            "files": each.files,
                            "bytes": each.size,
                        }
                        for each in counts
                    ],
                    "reasons": reasons,
                    "files": [views.named(each, desk.roots) for each in shown],
                    "next": shown[-1].id if more else None,
                }
            )
            return 0
        if not chosen:
            views.print_counts(counts, reasons)
        views.print_files(shown, desk.roots)
        if chosen and not shown:
            click.echo("no file is so")
        if more:
            click.echo(f"there are more: --after {shown[-1].id}")
    return 0


@command.command("show", short_help="Show everything that is known of files.")
@ids_argument
@_of_a_ledger
@as_who
@as_json
def show(ids: tuple[int, ...], **options: Any) -> int:
    """Shows everything that is known of files, and records who looked."""
    from gateway.cli import queue_views as views

    if not ids:
        raise Fatal("there is nothing to show: name files by their numbers, which 'gateway queue list' shows")
    with _desk(options["configuration"], options["ledger"], looking=True) as desk:
        details = {number: desk.ledger.reports.detail(number) for number in ids}
        known = [number for number, detail in details.items() if detail]
        _looked(desk, _who(options["who"]), "show", known)
        for number, detail in details.items():
            if detail is None:
                click.echo(f"gateway: {number}: there is no such file", err=True)
            elif options["as_json"]:
                views.print_json(views.whole(detail, desk.roots))
            else:
                views.print_whole(detail, desk.roots)
    return NOT_FOUND if len(known) < len(details) else 0


@command.command("find", short_help="Say where a picture is.")
@click.argument("text", metavar="MRN|ACCESSION|NAME|FILE|UID")
@_of_a_ledger
@click.option(
    "--limit", type=click.IntRange(1), default=PAGE, show_default=True, help="At most so many files."
)
@as_who
@as_json
def find(text: str, **options: Any) -> int:
    """Says where a picture is, by what people know of it.

    A Patient ID, an accession number, a patient's name or a file's name may be given by its beginning; a UID
    or a path in full. It is recorded who looked at which files, not what for.
    """
    from gateway.cli import queue_views as views

    with _desk(options["configuration"], options["ledger"], looking=True) as desk:
        entries = _found(desk, text, options["limit"])
        _looked(desk, _who(options["who"]), "find", [each.id for each in entries])
        if options["as_json"]:
            for detail in _details(desk, entries):
                views.print_json(views.whole(detail, desk.roots))
        elif not entries:
            click.echo(
                f"gateway: nothing is known of {text!r}: try the beginning of its file's name", err=True
            )
        elif len(entries) <= BLOCKS:
            for detail in _details(desk, entries):
                views.print_found(detail, desk.roots)
        else:
            views.print_files(entries, desk.roots)
            click.echo("'gateway queue show ID' says all of one")
    return 0 if entries else NOT_FOUND


def _found(desk: Desk, text: str, limit: int) -> Sequence[Entry]:
    """The files that a text means; an absolute path is that of a file in one of the folders."""
    for root in desk.roots.values():
        if Path(text).is_absolute() and Path(text).is_relative_to(root):
            text = Path(text).relative_to(root).as_posix()
    return desk.ledger.reports.find(text, limit)


def _details(desk: Desk, entries: Sequence[Entry]) -> Iterator[Detail]:
    for each in entries:
        if (detail := desk.ledger.reports.detail(each.id)) is not None:
            yield detail


# Deciding


@command.command("assign", short_help="Give held files what they lack.")
@ids_argument
@_of_a_ledger
@click.option("-m", "--set", "typed", metavar="ATTRIBUTE=VALUE", multiple=True, help="Give an attribute.")
@click.option("--study", metavar="UID", help="Put the files into this study.")
@click.option("--accession", metavar="NUMBER", help="Give the Accession Number.")
@as_who
@as_json
def assign(ids: tuple[int, ...], **options: Any) -> int:
    """Gives held files what they lack, and has them tried again at once.

    \b
      gateway queue assign 4711 -m PatientID=1234567 -m PatientName=Doe^Jane
    """  # fmt: skip
    if not ids:
        raise Fatal("name the held files by their numbers, which 'gateway queue list --state held' shows")
    attributes = _attributes(options["typed"], options["accession"], options["study"])
    with _desk(options["configuration"], options["ledger"]) as desk:
        chosen = _by_number(desk, ids, frozenset({State.HELD}))
        done = desk.ledger.decisions.assign(
            chosen.query, _who(options["who"]), attributes, options["study"] or None
        )
    return _told(done, f"{_some(done, 'file')} assigned", chosen.left, json_wanted=options["as_json"])


def _attributes(typed: Sequence[str], accession: str | None, study: str | None) -> Mapping[str, str]:
    """What is assigned, by attribute. Raises `Fatal` with all that is wrong with it, a line each."""
    from gateway.mapping.typed import parse_typed

    given = [("-m", each) for each in typed]
    given += [("--accession", f"AccessionNumber={accession}")] if accession is not None else []
    studies = [("--study", f"StudyInstanceUID={study}")] if study is not None else []
    if not given and not studies:
        raise Fatal("there is nothing to assign: give -m ATTRIBUTE=VALUE, --accession or --study")
    faults: list[str] = []
    attributes: dict[str, str] = {}
    for origin, text in (*given, *studies):
        try:
            [assignment] = parse_typed([text], origin)
        except Fatal as error:
            faults.append(str(error))
            continue
        value = text.partition("=")[2]
        if (origin, text) not in studies and attributes.setdefault(assignment.name, value) != value:
            faults.append(f"{origin}: {assignment.name} is given twice, with different values")
    if faults:
        raise Fatal("\n".join(faults))
    return attributes


@command.command("retry", short_help="Have files tried again at once.")
@ids_argument
@_of_a_ledger
@_filters
@click.option(
    "--all", "all_files", is_flag=True, help="All that are held, rejected, refused or to be retried."
)
@as_who
@yes
@as_json
def retry(ids: tuple[int, ...], **options: Any) -> int:
    """Has files tried again at once, from the beginning; rejected ones come back to their folder."""
    allowed = (WAITING | FINISHED) - {State.CHANGED}
    with _desk(options["configuration"], options["ledger"]) as desk:
        chosen = _chosen(desk, ids, options, allowed=allowed, usual=Query(states=IN_TROUBLE))
        _confirm(chosen.count, f"Try again {chosen.count} files?", unless=options["yes"])
        left = {**chosen.left, **_put_back(desk, chosen.query)}
        done = 0
        for batch in _without(desk, chosen.query, left):
            done += desk.ledger.decisions.retry(Query(ids=batch), _who(options["who"]))
    return _told(done, f"{_some(done, 'file')} to be tried again", left, json_wanted=options["as_json"])


def _put_back(desk: Desk, query: Query) -> dict[int, str]:
    """Puts originals back that were moved away; the files for which that cannot be done, and why."""
    from gateway.intake.putback import put_back
    from gateway.intake.work import ORIGINAL_GONE

    left: dict[int, str] = {}
    for entry in desk.ledger.reports.every(query):
        was_moved = entry.state in FINISHED or entry.reason == ORIGINAL_GONE
        if was_moved and (why := put_back(desk.ledger, entry, desk.roots)) is not None:
            left[entry.id] = why
    return left


def _without(desk: Desk, query: Query, left: Mapping[int, str]) -> Iterator[tuple[int, ...]]:
    """The numbers of the files that are meant, a page at a time, without those that are left."""
    after = 0
    while page := desk.ledger.reports.page(query, after=after):
        after = page[-1].id
        yield tuple(each.id for each in page if each.id not in left)


@command.command("reject", short_help="Give up files, or dismiss changes of stored ones.")
@ids_argument
@_of_a_ledger
@_filters
@click.option("--all", "all_files", is_flag=True, help="All that are held or to be retried.")
@click.option(
    "--say", metavar="TEXT", help="Why; it is recorded, also in NAME.error.json beside a rejected file."
)
@as_who
@yes
@as_json
def reject(ids: tuple[int, ...], **options: Any) -> int:
    """Gives files up that are not stored; they go to the place for rejected files.

    Of changed files the change is dismissed: what is stored is right, and stays as it is. The file is changed
    again only when it would be sent with yet other attributes. Changed files have to be named, by their
    numbers or with --state changed.
    """
    say = options["say"]
    if not say:
        if not sys.stdin.isatty():
            raise Fatal("say why with --say TEXT: whoever misses the file will ask")
        say = click.prompt("Why", err=True)
    with _desk(options["configuration"], options["ledger"]) as desk:
        allowed = UNCLAIMED | {State.CHANGED}
        chosen = _chosen(desk, ids, options, allowed=allowed, usual=Query(states=GIVEN_UP))
        changes = chosen.states[State.CHANGED]
        meant = _given_up(chosen.count - changes, changes)
        _confirm(chosen.count, f"Have {meant}?", unless=options["yes"])
        who = _who(options["who"])
        rejected = desk.ledger.decisions.reject(chosen.query, who, say)
        dismissed = desk.ledger.decisions.dismiss(chosen.query, who, say)
    said = _given_up(rejected, dismissed)
    return _told(rejected + dismissed, said, chosen.left, json_wanted=options["as_json"])


def _given_up(files: int, changes: int) -> str:
    """How many files are rejected, and how many changes dismissed, in words."""
    rejected, dismissed = f"{_some(files, 'file')} rejected", f"{_some(changes, 'change')} dismissed"
    if not changes:
        return rejected
    return f"{rejected}, {dismissed}" if files else dismissed


@command.command("revise", short_help="Send changed files as they would be now.")
@ids_argument
@_of_a_ledger
@click.option("--all", "all_files", is_flag=True, help="All that are changed.")
@as_who
@yes
@as_json
def revise(ids: tuple[int, ...], **options: Any) -> int:
    """Sends changed files as they would be now, as new instances; shows first what is different.

    Their originals come back to their folders, and go again when the archive has answered.
    """
    from gateway.cli import queue_views as views

    changed = frozenset({State.CHANGED})
    with _desk(options["configuration"], options["ledger"]) as desk:
        nothing = {"states": (), "folder": None, "destination": None, "reason": None}
        wanted = {**options, **nothing}
        chosen = _chosen(desk, ids, wanted, allowed=changed, usual=Query(states=changed))
        if not options["as_json"]:
            shown = desk.ledger.reports.page(chosen.query, limit=MANY)
            _looked(desk, _who(options["who"]), "show", [each.id for each in shown])
            for detail in _details(desk, shown):
                click.echo(f"{detail.entry.id}: {views.source_of(detail.entry, desk.roots)}")
                views.print_differences(detail)
        if chosen.count and not options["yes"] and sys.stdin.isatty():
            click.confirm(f"Send {chosen.count} revised?", abort=True, err=True)
        left = {**chosen.left, **_put_back(desk, chosen.query)}
        done = 0
        for batch in _without(desk, chosen.query, left):
            done += desk.ledger.decisions.revise(Query(ids=batch), _who(options["who"]))
    said = f"{_some(done, 'file')} to be sent revised"
    return _told(done, said, left, json_wanted=options["as_json"])


# Keeping


@command.command("export", short_help="Write a JSON object a line for each file.")
@_of_a_ledger
@_filters
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write to FILE.")
@click.option("--with-names", is_flag=True, help="With paths and texts, which may name patients.")
@as_who
def export(**options: Any) -> int:
    """Writes a JSON object a line for each file, without what may name a patient."""
    from gateway.cli import queue_views as views

    with _desk(options["configuration"], options["ledger"]) as desk:
        query = replace(_query(options), replaced=True)
        count = 0
        with _output(options["out"]) as write:
            for entry in desk.ledger.reports.every(query):
                record = views.named(entry, desk.roots) if options["with_names"] else views.plain(entry)
                write(views.json_line(record))
                count += 1
        names = "with" if options["with_names"] else "without"
        desk.ledger.decisions.note(_who(options["who"]), "export", f"{count} files {names} names")
    if options["out"]:
        click.echo(f"{_some(count, 'file')} in {options['out']}")
    return 0


@contextmanager
def _output(path: Path | None) -> Iterator[Callable[[str], Any]]:
    """What writes to a file that is there whole or not at all, or to standard output."""
    if path is None:
        yield lambda line: click.echo(line, nl=False)
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("x", encoding="utf-8") as file:
            part.chmod(0o600)
            yield file.write
        part.replace(path)
    except OSError as error:
        raise Fatal(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


@command.command("purge", short_help="Forget whom old files showed.")
@_of_a_ledger
@click.option(
    "--older-than", metavar="TIME", required=True, help="Such as 90d: what was finished before that."
)
@as_who
@yes
def purge(**options: Any) -> int:
    """Forgets names, paths, attributes and texts of what was finished long ago.

    Digest, UIDs, destination, outcome and dates stay, so that nothing is stored a second time.
    """
    seconds = _seconds(options["older_than"])
    if not options["yes"]:
        if not sys.stdin.isatty():
            raise Fatal("what is forgotten cannot be had back: say that it is meant with --yes")
        click.confirm(
            f"Forget whom files show that were finished {options['older_than']} ago?", abort=True, err=True
        )
    with _desk(options["configuration"], options["ledger"]) as desk:
        before = desk.ledger.upkeep.now() - seconds
        done = desk.ledger.upkeep.purge(before, _who(options["who"]))
    return _told(done, f"{_some(done, 'file')} forgotten", {}, json_wanted=False)


def _seconds(text: str) -> float:
    from pydantic import TypeAdapter, ValidationError

    from gateway.documents import Duration

    try:
        return float(TypeAdapter(Duration).validate_python(text).total_seconds())
    except ValidationError:
        raise Fatal(
            f"--older-than cannot be {text!r}: write a time with its unit, such as 90d or 10y"
        ) from None
