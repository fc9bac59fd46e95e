"""`gateway import`: a legacy tree or table, planned, throttled, resumable, accounted for."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway import config
from gateway.cli import import_memory as memory
from gateway.cli import options as shared
from gateway.config import Site, Unidentified
from gateway.errors import Fatal, Refused

if TYPE_CHECKING:
    from gateway.cli.import_progress import Screen
    from gateway.intake.batch.configuration import Settings
    from gateway.intake.batch.job import Input, Job
    from gateway.intake.configuration import Archive
    from gateway.ledger import Ledger
    from gateway.pipeline import Work

STEPS = ("scan", "plan", "run", "report", "verify")
FOLDER = click.Path(path_type=Path, file_okay=False)
OF_AN_ADDRESS = (
    "user_or_url", "form", "accept", "timeout", "single_part", "unquoted_type", "chunked", "headers",
    "bearer", "bearer_file", "token_command", "cacert", "cert", "key", "insecure", "any_host",
)  # fmt: skip
"""Options that say how one address is talked to: a configuration says it of its own."""

RATE = re.compile(r"(\d+(?:\.\d+)?) ?(?:/ ?([smh]))?")


@click.command(
    "import",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="A folder that is called like a step is ./scan. Ends with 0 when all is stored, 2 for a wrong "
    "option, mapping, address or password, 3 when a file was rejected or is held, 5 when something is left.",
)
@click.argument("words", nargs=-1, metavar="[scan|plan|run|report|verify] [TREE|TABLE]")
@click.option(
    "--ledger",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where it is kept what became of every file.",
)
@click.option(
    "--config",
    "configuration",
    metavar="FILE",
    type=shared.FILE,
    help="All of it in one YAML file; what is typed has the word.",
)
@click.option("--name", metavar="NAME", help="What the ledger calls the import; its path unless given.")
@click.option(
    "--file-column",
    "column",
    metavar="NAME",
    default="file",
    show_default=True,
    help="The column of TABLE that names the files, relative to the table.",
)
@click.option("--ignore", metavar="PATTERN", multiple=True, help="Pass over files and folders of this name.")
@click.option(
    "--report",
    "--out",
    "report",
    metavar="DIR",
    type=FOLDER,
    help="Write the report here: lists of files, figures, a page.",
)
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the plan as a page.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Connections, each with a thread that prepares what it sends; 4 to 8, by processors, unless given.",
)
@click.option(
    "--decoders",
    type=click.IntRange(1),
    metavar="N",
    help="Processes that decode at the same time; one a processor unless given.",
)
@click.option("--rate", metavar="N/s|N/m|N/h", help="Send at most so many files a second, minute or hour.")
@click.option("--bandwidth", metavar="SIZE/s", help="Send at most so many bytes a second, such as 10MB/s.")
@click.option("--night", metavar="FROM-TO", help="Send only then, in local time, such as 20:00-06:00.")
@click.option("--limit", metavar="N", type=click.IntRange(0), help="Take at most N files.")
@click.option("--sample", metavar="SHARE", help="Take only a part of the files, always the same, such as 1%.")
@click.option(
    "--max-errors",
    metavar="N",
    type=click.IntRange(1),
    help="End when so many files were held, rejected or refused.",
)
@click.option(
    "--order",
    type=click.Choice(["path", "newest", "oldest", "size"]),
    default="path",
    show_default=True,
    help="Which files come first; small ones with size.",
)
@click.option(
    "--retry-for",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="How long to go on while the archive takes nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@shared.describing
@shared.reaching
def command(words: tuple[str, ...], **options: Any) -> int:
    """Imports all files in TREE, or those that TABLE names, and keeps account of every one in a ledger.

    Typed again after any interruption it goes on where it was. Its steps can be typed alone: scan (what is
    there), plan (what would happen; sends nothing), run, report (what became of every file), and verify
    (whether the archive has what it said). The ledger remembers what was typed: without TREE it counts.

    \b
      gateway import plan /mnt/legacy --mapping legacy.yaml --ledger import.db
      gateway import /mnt/legacy --mapping legacy.yaml -u http://127.0.0.1:8042/dicom-web --ledger import.db
      gateway import verify -u http://127.0.0.1:8042/dicom-web --ledger import.db
      gateway import report --ledger import.db --out report
    """  # fmt: skip
    step, place = _step(words)
    # loading the stages takes longer than answering --help
    from gateway.cli.import_progress import Screen

    settings = _settings(options, place)
    screen = Screen(as_json=options["as_json"], quiet=options["quiet"])
    _check_options(step, options, settings)
    with _ledger(step, options, settings) as ledger:
        if step == "report":
            return _report(ledger, settings, screen)
        settings = _continued(step, options, settings, place, ledger)
        job = _job(options, settings, ledger)
        if step in ("run", "verify") and job.input.name not in memory.imports(ledger):
            raise Fatal(
                f"the ledger {ledger.name} has no files of {job.input.path} yet: let 'gateway import scan' "
                "find them first"
            )
        if step != "verify":
            memory.remember(ledger, job.input.name, job.input.path, options, step)
        if step in (None, "scan"):
            _scan(job, ledger, screen)
        if step == "scan":
            return 0
        if step == "plan":
            return _plan(job, ledger, screen, options["html"])
        if step == "verify":
            return _verify(job, ledger, screen)
        return _run(job, ledger, screen, settings)


def _step(words: tuple[str, ...]) -> tuple[str | None, Path | None]:
    """The step that is meant, None for all of them, and the tree or table."""
    step = words[0] if words and words[0] in STEPS else None
    places = words[1:] if step else words
    if len(places) > 1:
        raise Fatal(f"one folder or table at a time: {places[1]} is a second one. Import it by itself")
    return step, Path(places[0]) if places else None


# What is asked for


def _settings(options: dict[str, Any], place: Path | None) -> Settings:
    """What the configuration file says, and what was typed instead."""
    from gateway.intake.batch.configuration import Settings, load
    from gateway.intake.batch.job import Order, hours_of, share_of

    path = options["configuration"]
    settings = load(path) if path else Settings()
    changes: dict[str, Any] = {
        "files": place.absolute() if place else None,
        "ledger": options["ledger"],
        "report": options["report"],
        "name": options["name"],
        "tmp_dir": options["tmp_dir"],
        "uid_namespace": options["uid_namespace"],
        "mappings": options["mappings"],
        "ignore": tuple(pattern.lower() for pattern in options["ignore"]),
        "column": options["column"] if _is_given("column") else None,
        "unidentified": Unidentified(options["unidentified"]) if options["unidentified"] else None,
    }
    selection = {
        "order": Order(options["order"]) if _is_given("order") else None,
        "limit": options["limit"],
        "share": share_of(options["sample"]) if options["sample"] else None,
    }
    pace = {
        "rate": _rate(options["rate"]) if options["rate"] else None,
        "bandwidth": _bandwidth(options["bandwidth"]),
        "night": hours_of(options["night"]) if options["night"] else None,
        "patience": options["retry_for"] if _is_given("retry_for") else None,
        "max_errors": options["max_errors"],
        "decoders": options["decoders"],
    }
    return replace(
        settings,
        **_given(changes),
        selection=replace(settings.selection, **_given(selection)),
        pace=replace(settings.pace, **_given(pace)),
    )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, ())}


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def _is_typed(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _check_options(step: str | None, options: dict[str, Any], settings: Settings) -> None:
    """Refuses options that would do nothing in this step, and steps that lack something."""
    if options["html"] and step != "plan":
        raise Fatal("--html is for 'gateway import plan'; the report has a page of its own")
    if step in ("scan", "plan", "verify") and options["report"]:
        raise Fatal(f"'gateway import {step}' writes no report: leave --report out")
    if settings.ledger is None:
        raise Fatal("there is no ledger: name a file for it with --ledger, such as --ledger import.db")
    if step == "report":
        if settings.report is None:
            raise Fatal("there is no place for the report: name a folder with --out")
        return
    if settings.files is None and not settings.ledger.exists():
        raise Fatal(
            f"there is nothing to import, and no ledger {settings.ledger}: name a folder, or a table of files"
        )
    if settings.files is not None and not settings.files.exists():
        raise Fatal(f"{settings.files} is not there: check the name")


def _ledger(step: str | None, options: dict[str, Any], settings: Settings) -> Ledger:
    """The ledger; a new one is in the user's namespace of UIDs, so that another one makes the same."""
    from gateway.ledger import Ledger

    assert settings.ledger is not None  # noqa: S101 - it was asked for
    if step == "report":
        return Ledger.open(settings.ledger, read_only=True)
    given = settings.uid_namespace or os.environ.get("GATEWAY_UID_NAMESPACE")
    if given or not settings.ledger.exists():
        namespace = config.uid_namespace(given or None)
        if namespace.new:
            click.echo(
                f"gateway: UIDs are made in the namespace {namespace.value}, {namespace.origin}", err=True
            )
        return Ledger.open(settings.ledger, uid_namespace=namespace.value)
    return Ledger.open(settings.ledger)


def _continued(
    step: str | None, options: dict[str, Any], typed: Settings, place: Path | None, ledger: Ledger
) -> Settings:
    """What is typed, with what the ledger remembers where the folder or table is not.

    What is verified is always as it was sent. Raises `Fatal` when the ledger has not what is meant.
    """
    name = memory.name_of(ledger, typed.name, typed.files)
    known = memory.imports(ledger)
    if name is None:
        raise Fatal(
            f"the ledger {ledger.name} has {memory.listed(known)}: "
            + ("say which is meant with --name" if known else "name a folder, or a table of files, to import")
        )
    if name not in known:
        return replace(typed, name=name)
    if typed.files is None or step == "verify":
        memory.recall(ledger, name, options, as_sent=step == "verify")
        typed = _settings(options, place)
    files = typed.files or memory.place_of(ledger, name)
    if files is not None and not files.exists():
        if step != "verify":
            raise Fatal(
                f"{files} is not there: check whether its disk is mounted, or name the place it has now"
            )
        click.echo(f"gateway: {files} is not there: objects are compared with the ledger alone", err=True)
    return replace(typed, name=name, files=files)


def _job(options: dict[str, Any], settings: Settings, ledger: Ledger) -> Job:
    from gateway.convert import child
    from gateway.intake.assemble import is_asked
    from gateway.intake.batch.job import Job

    if settings.pace.decoders:
        child.at_once(settings.pace.decoders)
    work = _work(options, settings, ledger)
    if settings.selection.is_partial and is_asked(work.description.mappings):
        raise Fatal(
            "the mapping assembles documents of pages, which --limit and --sample would part: leave them "
            "out, or try it on a folder that has a few whole documents"
        )
    return Job(
        input=_input(settings, work),
        work=work,
        archive=_archive(options, settings),
        selection=settings.selection,
        pace=settings.pace,
    )


def _work(options: dict[str, Any], settings: Settings, ledger: Ledger) -> Work:
    """How files are read and described: nobody watches, so what is in doubt is held."""
    from gateway.intake.batch.job import DESTINATION

    wanted = {**options, "mappings": settings.mappings, "uid_namespace": str(ledger.uid_namespace)}
    work = shared.work({**wanted, "unidentified": settings.unidentified.value})
    description = replace(work.description, unattended=True, routes=((DESTINATION, None),))
    if not options["site"] and settings.site != Site():
        description = replace(description, site=settings.site)
    if not options["patient_id"] and settings.patient_id:
        description = replace(description, patient_id=settings.patient_id)
    return replace(work, description=description, tmp_dir=settings.tmp_dir, object_file=None)


def _input(settings: Settings, work: Work) -> Input:
    from gateway.intake.batch.job import Input, kept_out

    assert settings.files is not None  # noqa: S101 - it was asked for
    ledger, mappings = settings.ledger, work.description.mappings
    beside = [ledger.with_name(f"{ledger.name}{end}") for end in ("-wal", "-shm")] if ledger else []
    own = [ledger, settings.path, settings.report, settings.tmp_dir, *beside]
    own += [path for mapping in mappings for path in mapping.files]
    return Input(
        path=settings.files,
        name=settings.name or str(settings.files),
        column=settings.column,
        ignore=settings.ignore,
        kept_out=kept_out(iter(own)),
        companions=tuple(name for mapping in mappings for name in mapping.companions),
    )


def _archive(options: dict[str, Any], settings: Settings) -> Archive | None:
    """The archive: the one that is typed, or that of the configuration, with what is typed of its pace."""
    from gateway.intake.batch.job import DESTINATION, JOBS
    from gateway.intake.configuration import Archive
    from gateway.mapping.expressions import Template

    archive = settings.archive
    typed = any(text.lower().startswith(("http:", "https:")) for text in options["user_or_url"])
    if typed or _is_typed("url") or (archive is None and options["url"]):
        bounds = {
            "limit": 1,
            "max_request_size": None,
            "skip_existing": False,
            "jobs": options["jobs"] or JOBS,
        }
        destination = shared.destination({**options, **bounds})
        headers = tuple((name, Template((value,))) for name, value in destination.headers)
        archive = Archive(DESTINATION, destination, headers, jxl=options["allow_jxl"])
    elif archive:
        if given := [name for name in OF_AN_ADDRESS if _is_typed(name)]:
            raise Fatal(
                f"{given[0].replace('_', ' ')} goes with an address that is typed: give -u URL too, or write "
                f"it under destination: in {settings.path}"
            )
        jobs = options["jobs"] or archive.destination.jobs
        archive = replace(archive, destination=replace(archive.destination, jobs=jobs))
    if archive and settings.pace.rate:
        archive = replace(archive, rate=settings.pace.rate)
    return archive


def _rate(text: str) -> float:
    """Files a second."""
    match = RATE.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise Fatal(f"--rate cannot be {text!r}: write 10/s, 100/m or 1000/h")
    return float(match[1]) / {"s": 1, "m": 60, "h": 3600}[match[2] or "s"]


def _bandwidth(text: str | None) -> float | None:
    """Bytes a second in a text such as `10MB/s`."""
    return shared.size(text.strip().removesuffix("/s")) if text else None


# Steps


def _scan(job: Job, ledger: Ledger, screen: Screen) -> None:
    from gateway.intake.batch.scan import scan

    found = scan(job.input, ledger, screen.scanned)
    screen.said("scan", found.facts(), f"{job.input.path}: {found.words()}")
    for each in (*found.unreadable, *found.unusable):
        screen.complain(each)


def _run(job: Job, ledger: Ledger, screen: Screen, settings: Settings) -> int:
    from gateway.intake.batch import report
    from gateway.intake.batch.run import Run, Why
    from gateway.intake.signals import until_told

    if job.archive is None:
        raise Fatal(
            "there is no address: give the archive's with -u, such as -u http://127.0.0.1:8042/dicom-web"
        )
    with until_told() as told, screen:
        ended = Run(job, ledger, told, screen.progress, screen.note)()
    if settings.report:
        found = report.write(ledger, settings.report, job.input.name)
    else:
        found = report.summary(ledger, job.input.name)
    screen.ended(ended, found)
    if ended.why is Why.REFUSED:
        raise Refused(ended.text or "the archive does not let us in")
    if ended.why is Why.AWAY and ended.text:
        screen.complain(ended.text)
    return found.exit_status() or (5 if ended.why in (Why.AWAY, Why.STOPPED) and found.left else 0)


def _report(ledger: Ledger, settings: Settings, screen: Screen) -> int:
    from gateway.intake.batch import report

    assert settings.report is not None  # noqa: S101 - it was asked for
    name = memory.name_of(ledger, settings.name, settings.files) if settings.name or settings.files else None
    if name is not None and name not in memory.imports(ledger):
        raise Fatal(f"the ledger has no import {name!r}: it has {memory.listed(memory.imports(ledger))}")
    found = report.write(ledger, settings.report, name)
    screen.summary(found)
    return found.exit_status()


def _plan(job: Job, ledger: Ledger, screen: Screen, html: Path | None) -> int:
    from gateway.intake.batch import plan, plan_page
    from gateway.intake.batch.report import written_to

    if job.input.name not in memory.imports(ledger):
        _scan(job, ledger, screen)
    found = plan.plan(job, ledger, screen.planned)
    if html:
        written_to(html, plan_page.written(found))
    screen.said("plan", found.facts(), "\n".join(plan.words(found)))
    return 3 if found.left_out["held"] or found.left_out["rejected"] else 0


def _verify(job: Job, ledger: Ledger, screen: Screen) -> int:
    from gateway.intake.batch.verify import verify
    from gateway.intake.signals import until_told

    with until_told() as told:
        found = verify(job, ledger, told, screen.verified, screen.differs)
    screen.said("verify", found.facts(), found.words())
    return 3 if found.different or found.missing else 0
