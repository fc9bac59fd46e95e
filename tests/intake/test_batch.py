"""The steps of an import typed alone, and what each option does."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import uuid
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydicom import dcmread

import examples
import sites
from doors import gateway
from gateway.config import Destination
from gateway.intake.batch import scan as scanning
from gateway.intake.batch.job import DESTINATION, Input, Job, Pace, hours_of
from gateway.intake.batch.pace import Bandwidth
from gateway.intake.batch.run import Run, Why
from gateway.intake.configuration import Archive
from gateway.ledger import Ledger, Query
from gateway.mapping.description import Description
from gateway.mapping.language import load
from gateway.pipeline import Work
from imports import in_archive, report, summary

MAPPING = ("--mapping", "photo")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Six photos of two patients, and three files that nobody can store."""
    folder = tmp_path / "tree"
    files = {
        f"box {1 + number // 3}/471100{1 + number // 3}_20240531_L_{number}.jpg": sites.photo(str(number))
        for number in range(6)
    }
    files |= {
        "box 1/notes.txt": b"no picture\n",
        "box 2/4711002_20240531_R_9.jpg": sites.photo("cut")[:-50],
        "stray.jpg": sites.photo("nobody's"),
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_steps_typed_alone_do_what_all_of_them_do(tree: Path, archive: str, tmp_path: Path) -> None:
    ledger = ("--ledger", tmp_path / "import.db")
    scanned = gateway("import", "scan", tree, *ledger, "--json")
    assert json.loads(scanned.out)["scan"]["files"] == 9
    planned = gateway("import", "plan", tree, *MAPPING, *ledger, "--json")
    found = json.loads(planned.out.splitlines()[-1])["plan"]
    assert planned.status == 3
    assert found["would_be_sent"]["files"] == 6
    assert found["would_not_be_sent"] == {"held": 1, "rejected": 2}
    assert found["studies"] == 2
    assert in_archive(archive) == set()
    ran = gateway("import", "run", tree, *MAPPING, *ledger, "-u", archive, "--json")
    assert ran.status == 3
    assert {key: ran.summary[key] for key in ("files", "stored", "held", "rejected")} == {
        "files": 9, "stored": 6, "held": 1, "rejected": 2,
    }  # fmt: skip
    told = gateway("import", "report", *ledger, "--out", tmp_path / "report")
    assert told.status == 3
    lines = report(tmp_path / "report")
    assert summary(tmp_path / "report")["files"] == len(lines) == 9
    assert lines["stray.jpg"]["status"] == "held"
    assert lines["stray.jpg"]["reason"] == "unidentified"
    assert {line["sop_instance_uid"] for line in lines.values()} - {None} == in_archive(archive)
    verified = gateway("import", "verify", tree, *MAPPING, *ledger, "-u", archive, "--json")
    assert verified.status == 0
    assert json.loads(verified.out)["verify"]["same"] == 6


def test_a_plan_keeps_what_it_found_out(tree: Path, archive: str, tmp_path: Path) -> None:
    """The digests are in the ledger, files of one study wait together, and nothing else is known."""
    words = (tree, *MAPPING, "--ledger", tmp_path / "import.db")
    gateway("import", "plan", *words)
    with Ledger.open(tmp_path / "import.db") as ledger:
        rows = list(ledger.reports.every(Query()))
        assert sum(row.digest is not None for row in rows) == 6
        assert {row.format for row in rows} == {"jpeg", None}
        owner = ledger.claims.join("test")
        claims = ledger.claims.claim(owner, [DESTINATION], units=10)
        assert sorted(len(claim.files) for claim in claims) == [3, 3]
        assert all(claim.study for claim in claims)
        ledger.claims.leave(owner)
    assert gateway("import", *words, "-u", archive, "--json").summary["stored"] == 6


def test_the_plan_names_problems_rows_and_files(tmp_path: Path) -> None:
    site = sites.scans_with_tables(tmp_path)
    done = gateway("import", "plan", site.folder, "--mapping", site.mapping, "--ledger", tmp_path / "i.db",
                   "--html", tmp_path / "plan.html", "--rate", "2/s")  # fmt: skip
    assert done.status == 3
    assert "has no row with" in done.out
    assert "2009/0006.TIF" in done.out
    assert re.search(r"would be sent +4 ", done.out)
    assert "At 2 files a second" in done.out
    page = (tmp_path / "plan.html").read_text("utf-8")
    assert "2009/0006.TIF" in page
    assert "https://" not in page


def test_rows_that_no_file_belongs_to_are_named(tmp_path: Path) -> None:
    site = sites.scans_with_tables(tmp_path)
    (site.folder / "2009" / "0002.TIF").unlink()
    done = gateway("import", "plan", site.folder, "--mapping", site.mapping, "--ledger", tmp_path / "i.db")
    assert re.search(r"pages\.csv, row 3: no file has this key", done.out), done.out


def test_a_report_is_a_page_of_its_own_that_names_nobody(tree: Path, archive: str, tmp_path: Path) -> None:
    words = (tree, *MAPPING, "--ledger", tmp_path / "import.db", "-u", archive)
    gateway("import", *words, "--report", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    parser = _Links()
    parser.feed(page)
    assert parser.tags >= {"svg", "rect", "polygon", "table"}
    assert not parser.links
    assert "url(" not in page
    assert "4711001" not in page
    assert "stray" not in page
    assert "unidentified" in page


class _Links(HTMLParser):
    """What a page is made of, and what it would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "data")]


# Which files


def test_litter_and_companions_are_left_out_and_counted(tree: Path, tmp_path: Path) -> None:
    for name in ("box 1/Thumbs.db", "box 1/@eaDir/x.jpg", "box 2/.DS_Store", "box 2/copy.part"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_bytes(b"litter")
    ledger = tmp_path / "import.db"
    found = json.loads(gateway("import", "scan", tree, "--ledger", ledger, "--json").out)["scan"]
    assert (found["files"], found["left_out"]) == (9, 4)
    assert found["kinds"] == {"litter": {"Thumbs.db": 1, "@eaDir": 1, ".*": 1, "*.part": 1}}
    site = sites.tracings_with_xml(tmp_path / "ecg")
    ledger = tmp_path / "ecg.db"
    done = gateway("import", "scan", site.folder, "--mapping", site.mapping, "--ledger", ledger, "--json")
    found = json.loads(done.out)["scan"]
    assert (found["files"], sum(found["kinds"]["companions"].values())) == (3, 2)


def test_a_large_folder_comes_in_natural_order_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    names = [f"{stem}{number}.jpg" for stem in ("IMG", "img_", "Ä", "a-") for number in (1, 2, 10, 9, 100, 0)]
    for name in names:
        (folder / name).write_bytes(b"x")

    def order(ledger: str) -> list[str]:
        with Ledger.open(tmp_path / ledger) as opened:
            scanning.scan(Input(folder, "tree"), opened)
            return [row.path for row in opened.reports.every(Query())]

    in_memory = order("one.db")
    monkeypatch.setattr(scanning, "IN_MEMORY", 5)
    assert order("other.db") == in_memory
    assert sorted(in_memory) == sorted(names)
    numbers = [int(re.findall(r"\d+", name)[0]) for name in in_memory if name.startswith("IMG")]
    assert numbers == sorted(numbers)


def test_a_table_names_the_files(archive: str, tmp_path: Path) -> None:
    """The column has a name of its own, backslashes, a file that is not there, and one outside."""
    (tmp_path / "disk").mkdir()
    for number in range(3):
        (tmp_path / "disk" / f"{number}.jpg").write_bytes(sites.photo(str(number)))
    rows = [
        ("disk\\0.jpg", "4711001", "31.05.2024"), ("disk/1.jpg", "4711002", "31.05.2024"),
        ("disk/9.jpg", "4711003", "31.05.2024"), ("../other.jpg", "4711004", "31.05.2024"),
        ("", "4711005", "31.05.2024"),
    ]  # fmt: skip
    table = sites.table(tmp_path / "files.csv", ("Datei", "mrn", "day"), rows, encoding="cp1252")
    mapping = examples.write(tmp_path / "m.yaml", sites._plain(r"""
        template: vl-photographic
        sources:
          table:
            file: files.csv
            key: '{{ row.Datei | replace("\\", "/") }}'
            equals: '{{ media.relative }}'
        identity: {study: '{{ row.day }}'}
        attributes:
          PatientID: '{{ row.mrn }}'
          StudyDate: '{{ row.day | dicom_date("%d.%m.%Y") }}'
    """).encode())  # fmt: skip
    words = (table, "--mapping", mapping, "--ledger", tmp_path / "i.db", "-u", archive)
    wrong = gateway("import", *words)
    assert wrong.status == 2
    assert "has no column 'file'" in wrong.err
    done = gateway("import", *words, "--file-column", "datei", "--report", tmp_path / "report", "--json")
    assert done.status == 3
    found = json.loads(done.out.splitlines()[0])["scan"]
    assert (found["rows"], found["files"], found["missing"], found["left_out"]) == (5, 2, 1, 2)
    lines = report(tmp_path / "report")
    assert {file: line["status"] for file, line in lines.items()} == {
        "disk/0.jpg": "stored", "disk/1.jpg": "stored", "disk/9.jpg": "rejected",
    }  # fmt: skip
    assert lines["disk/9.jpg"]["reason"] == "no-file"
    (tmp_path / "disk" / "9.jpg").write_bytes(sites.photo("late"))
    (tmp_path / "disk" / "0.jpg").unlink()
    done = gateway("import", *words, "--file-column", "datei", "--report", tmp_path / "report", "--json")
    assert done.status == 0
    assert done.summary["stored"] == 3


def test_a_folder_may_be_called_like_a_step(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    examples_folder = tmp_path / "plan"
    examples_folder.mkdir()
    (examples_folder / "4711001_20240531_L_1.jpg").write_bytes(sites.photo("1"))
    done = gateway("import", "./plan", *MAPPING, "-u", archive, "--ledger", "i.db", "--json")
    assert done.summary["stored"] == 1
    assert "there is nothing to import" in gateway("import", "plan", "--ledger", "new.db").err


def test_files_that_change_or_go_are_noticed(tree: Path, archive: str, tmp_path: Path) -> None:
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db", "-u", archive, "--report", tmp_path / "report")
    gateway("import", "scan", *words[:-4])
    (tree / "box 1" / "4711001_20240531_L_0.jpg").unlink()
    (tree / "box 1" / "4711001_20240531_L_1.jpg").write_bytes(sites.photo("another"))
    assert gateway("import", *words, "--json").summary["stored"] == 5
    lines = report(tmp_path / "report")
    assert lines["box 1/4711001_20240531_L_0.jpg"]["list"] == "skipped"
    (tree / "box 2" / "4711002_20240531_R_9.jpg").write_bytes(sites.photo("whole"))
    done = gateway("import", *words, "--json")
    assert done.summary["stored"] == 6
    assert done.summary["run"]["files"] == 1


def test_a_disk_that_is_not_mounted_changes_nothing(tree: Path, archive: str, tmp_path: Path) -> None:
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db")
    gateway("import", "scan", *words)
    away = tree.rename(tmp_path / "away")
    tree.mkdir()
    done = gateway("import", *words, "-u", archive)
    assert done.status == 2
    assert "mounted" in done.err
    tree.rmdir()
    away.rename(tree)
    assert gateway("import", *words, "-u", archive, "--json").summary["stored"] == 6


def test_what_was_mended_is_tried_again(archive: str, tmp_path: Path) -> None:
    site = sites.scans_with_tables(tmp_path)
    words = (site.folder, "--mapping", site.mapping, "--ledger", tmp_path / "i.db", "-u", archive, "--json")
    assert gateway("import", *words).summary["held"] == 2
    table = (tmp_path / "patients.csv").read_bytes()
    (tmp_path / "patients.csv").write_bytes(table + "P004799;Maß;Ida;03.01.1970;W\r\n".encode("cp1252"))
    assert gateway("import", *words).summary["held"] == 1


# How many, how fast, when


def test_a_part_of_the_files_and_then_the_rest(tree: Path, archive: str, tmp_path: Path) -> None:
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db", "-u", archive, "--json")
    first = gateway("import", *words, "--limit", "2")
    assert first.summary["run"]["files"] == 2
    assert first.summary["left"] == 7
    assert first.status == 5
    rest = gateway("import", *words)
    assert rest.summary["run"]["files"] == 7
    assert rest.summary["stored"] == 6


def test_a_sample_is_the_same_every_time(tmp_path: Path, archive: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(40):
        (tree / f"4711001_20240531_L_{number}.jpg").write_bytes(sites.photo(str(number)))
    taken = []
    for name in ("one", "two"):
        words = (tree, *MAPPING, "--ledger", tmp_path / f"{name}.db", "-u", archive)
        gateway("import", *words, "--sample", "25%", "--report", tmp_path / name)
        taken.append({file for file, line in report(tmp_path / name).items() if line["status"] != "left"})
    assert taken[0] == taken[1]
    assert 3 <= len(taken[0]) <= 20
    assert "a sample cannot be" in gateway("import", *words, "--sample", "150%").err


@pytest.mark.parametrize(
    ("order", "wanted"),
    [("path", "a b c"), ("newest", "b c a"), ("oldest", "a c b"), ("size", "c a b")],
)
def test_files_come_in_the_order_that_is_asked_for(
    order: str, wanted: str, tmp_path: Path, archive: str
) -> None:
    for name, moment, size in (("a", 1_000, 300), ("b", 3_000, 500), ("c", 2_000, 100)):
        path = tmp_path / "tree" / name / f"471100{ord(name)}_20240531_L_1.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(sites.commented(sites.photo(name), "x" * size))
        os.utime(path, (1_600_000_000 + moment, 1_600_000_000 + moment))
    ledger = tmp_path / "i.db"
    gateway("import", tmp_path / "tree", *MAPPING, "--ledger", ledger, "-u", archive, "-j", "1",
            "--order", order)  # fmt: skip
    with Ledger.open(ledger) as opened:
        ids = [event.file for event in opened.reports.events() if event.what == "stored"]
        assert " ".join(opened.reports.get(file).path[0] for file in ids) == wanted


def test_too_many_errors_end_it(tmp_path: Path, archive: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(600):
        (tree / f"{number}.jpg").write_bytes(b"no picture")
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db", "-u", archive, "--json", "-j", "1")
    done = gateway("import", *words, "--max-errors", "20")
    assert done.status == 3
    assert done.summary["why"] == "max-errors"
    assert 20 <= done.summary["run"]["files"] < 600


def test_an_archive_that_is_away_leaves_what_is_left(tree: Path, tmp_path: Path) -> None:
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db", "--retry-for", "1", "--json")
    done = gateway("import", *words, "-u", "http://127.0.0.1:9/dicom-web")
    assert done.status in (3, 5)
    assert "cannot be reached" in done.err
    assert done.summary["left"] + done.summary.get("retry", 0) >= 1
    assert "stored" not in done.summary


def job(tree: Path, ledger: Ledger, url: str, pace: Pace) -> Job:
    """What importing a tree is, as the command makes it."""
    description = Description(mappings=(load("photo"),), unattended=True, routes=((DESTINATION, None),))
    archive = Archive(DESTINATION, Destination(url, jobs=2))
    return Job(Input(tree, "tree"), Work(ledger.uid_namespace, description=description), archive, pace=pace)


def test_by_day_nothing_is_sent(tree: Path, archive: str, tmp_path: Path) -> None:
    """The clock on the wall is the test's: it stays noon until nothing has happened for a while."""
    hour, told, seen = [12], threading.Event(), []
    with Ledger.open(tmp_path / "i.db", uid_namespace=uuid.UUID(int=7)) as ledger:
        scanning.scan(Input(tree, "tree"), ledger)

        def tell(far: object) -> None:
            seen.append(far)
            if len(seen) == 3:
                assert in_archive(archive) == set()
                hour[0] = 20

        pace = Pace(night=hours_of("20:00-06:00"), patience=0.5)
        run = Run(job(tree, ledger, archive, pace), ledger, told, tell, minute=lambda: 60 * hour[0])
        ended = run()
    assert ended.why is Why.DONE
    assert [far.waiting for far in seen[:2]] == ["it is not night"] * 2
    assert len(in_archive(archive)) == 6


def test_bandwidth_holds_bytes_back() -> None:
    now = [0.0]
    bandwidth = Bandwidth(
        1000.0, clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )
    for _ in range(10):
        bandwidth.take(500)
    assert now[0] == pytest.approx(5.0)
    bandwidth.take(-500)
    assert now[0] == pytest.approx(5.0)
    now[0] = 100.0
    bandwidth.take(1000)
    assert now[0] == pytest.approx(101.0)


def test_a_rate_is_kept(tree: Path, archive: str, tmp_path: Path) -> None:
    began = time.monotonic()
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db", "-u", archive, "--json", "--rate", "4/s")
    assert gateway("import", *words).summary["stored"] == 6
    assert time.monotonic() - began >= 5 / 4


# What is typed and what is written down


def test_all_of_it_in_one_file(tree: Path, archive: str, tmp_path: Path) -> None:
    configuration = examples.write(tmp_path / "import.yaml", sites._plain(f"""
        files: tree
        mapping: photo
        destination: {{url: '{archive}', jobs: 1, rate: 100/s}}
        ledger: import.db
        report: report
        limit: 3
    """).encode())  # fmt: skip
    assert gateway("import", "--config", configuration, "--json").summary["run"]["files"] == 3
    done = gateway("import", "--config", configuration, "--json", "--limit", "100")
    assert done.status == 3
    assert summary(tmp_path / "report")["stored"] == 6
    assert gateway("import", "verify", "--config", configuration).status == 0
    refused = gateway("import", "--config", configuration, "--timeout", "7")
    assert (refused.status, "under destination:" in refused.err) == (2, True)


def test_all_faults_of_the_file_are_named_with_their_lines(tmp_path: Path) -> None:
    configuration = examples.write(tmp_path / "import.yaml", sites._plain("""
        files: tree
        mapping: no-such-mapping
        destination: {url: ftp://archive}
        ledger: import.db
        night: late
        sample: all
        speed: 7
    """).encode())  # fmt: skip
    done = gateway("import", "--config", configuration)
    assert done.status == 2
    for line, said in ((2, "no-such-mapping"), (3, "url"), (5, "night"), (6, "sample"), (7, "'speed'")):
        assert re.search(rf"import\.yaml:{line}:\d+: .*{re.escape(said)}", done.err), (said, done.err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tree",), "--ledger"),
        (("tree", "--ledger", "i.db", *MAPPING), "there is no address"),
        (("nothing", "--ledger", "i.db"), "is not there"),
        (("tree", "other", "--ledger", "i.db"), "one folder or table at a time"),
        (("report", "--ledger", "no.db", "--out", "r"), "there is no ledger"),
        (("run", "tree", "--ledger", "i.db", "--html", "x"), "--html is for"),
        (("tree", "--ledger", "i.db", "--night", "late"), "20:00-06:00"),
        (("tree", "--ledger", "i.db", "-u", "http://a/b", "--rate", "fast"), "10/s"),
    ],
)
def test_what_does_not_go_together_is_said(
    words: tuple[str, ...], said: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = gateway("import", *words)
    assert done.status == 2
    assert said in done.err


# Reading back


def test_a_difference_in_the_archive_is_found(tree: Path, archive: str, tmp_path: Path) -> None:
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db", "-u", archive)
    gateway("import", *words)
    first, second, third, *_ = sorted((tmp_path / "archive").rglob("*.dcm"))
    data = bytearray(first.read_bytes())
    data[data.rindex(b"\xff\xda") + 40] ^= 0x55
    first.write_bytes(data)
    changed = dcmread(second)
    changed.PatientBirthDate = "19000101"
    changed.save_as(second)
    third.unlink()
    done = gateway("import", "verify", *words, "--json")
    assert done.status == 3
    *differences, result = map(json.loads, done.out.splitlines())
    assert result["verify"]["same"] == 3
    assert (result["verify"]["different"], result["verify"]["missing"]) == (2, 1)
    found = {each["sop_instance_uid"]: each["what"] for each in differences}
    assert found == {first.stem: "PixelData", second.stem: "PatientBirthDate", third.stem: "the object"}


def test_a_file_that_is_gone_is_compared_with_the_ledger(tree: Path, archive: str, tmp_path: Path) -> None:
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db", "-u", archive)
    gateway("import", *words)
    for path in tree.rglob("*.jpg"):
        path.unlink()
    done = gateway("import", "verify", *words, "--json")
    found = json.loads(done.out.splitlines()[-1])["verify"]
    assert (done.status, found["same"], found["compared_with_ledger_only"]) == (0, 6, 6)
