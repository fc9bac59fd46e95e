"""What the files of a study share: frozen values, numbers that are given once, instances."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger import Identity, Ledger, Numbers, Result, State


def test_first_to_ask_freezes_the_values(desk) -> None:
    studies = desk.ledger.studies
    assert studies.frozen("1.2") is None
    assert studies.freeze("1.2", {"PatientName": "Müller^Änne", "PatientSex": None}) == {
        "PatientName": "Müller^Änne",
        "PatientSex": None,
    }
    again = studies.freeze("1.2", {"PatientName": "Mueller^Anne"})
    assert again == studies.frozen("1.2") == {"PatientName": "Müller^Änne", "PatientSex": None}
    assert studies.freeze("1.3", {}) == {} == studies.frozen("1.3")


def test_study_is_known_again_by_its_key(desk) -> None:
    studies = desk.ledger.studies
    assert studies.known_as("patient 1, exam 2", "1.2") == "1.2"
    assert studies.known_as("patient 1, exam 2", "1.9") == "1.2"
    assert studies.known_as("patient 1, exam 3", "1.9") == "1.9"


def test_numbers_count_from_one_and_stay(desk) -> None:
    one, two = Identity("1", "1.1", "1.1.1"), Identity("1", "1.1", "1.1.2")
    other = Identity("1", "1.2", "1.2.1")
    stranger = Identity("2", "2.1", "2.1.1")
    studies = desk.ledger.studies
    assert studies.number([two, one]) == [Numbers(1, 1), Numbers(1, 2)]
    assert studies.number([other, one, stranger, two]) == [
        Numbers(2, 1),
        Numbers(1, 2),
        Numbers(1, 1),
        Numbers(1, 1),
    ]
    assert desk.open().studies.number([one]) == [Numbers(1, 2)] if desk.path else True


def test_object_that_came_with_numbers_of_its_own_takes_none(desk) -> None:
    (file,) = desk.end("a.dcm", result=Result(State.STORED, identity=Identity("1", "1.1", "1.1.1")))
    assert desk.entry(file).numbers is None
    assert desk.ledger.studies.number([Identity("1", "1.1", "1.1.2")]) == [Numbers(1, 1)]
    assert desk.ledger.studies.number([Identity("1", "1.1", "1.1.1")]) == [Numbers(1, 2)]
    assert desk.entry(file).numbers == Numbers(1, 2)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 5)), max_size=40))
def test_no_number_is_given_twice(asked: list[tuple[int, int, int]]) -> None:
    with Ledger.open(None) as ledger:
        given_numbers: dict[tuple[int, int, int], Numbers] = {}
        for study, series, instance in asked:
            identity = Identity(f"1.{study}", f"1.{study}.{series}", f"1.{study}.{series}.{instance}")
            (numbers,) = ledger.studies.number([identity])
            assert given_numbers.setdefault((study, series, instance), numbers) == numbers
    in_series = [(study, numbers) for (study, _, _), numbers in given_numbers.items()]
    assert len(set(in_series)) == len(in_series)
    assert len({(s, n.series) for (s, _, _), n in given_numbers.items()}) == len(
        {key[:2] for key in given_numbers}
    )


def test_threads_that_ask_at_once_get_one_answer(desk) -> None:
    start = threading.Barrier(4)
    answers: list[tuple[str, Numbers]] = []

    def ask(number: int) -> None:
        start.wait()
        for instance in range(20):
            frozen = desk.ledger.studies.freeze("1", {"by": number})
            identities = [Identity("1", "1.1", f"1.1.{instance}"), Identity("1", "1.1", f"1.1.{number}.9")]
            answers.append((str(frozen["by"]), desk.ledger.studies.number(identities)[0]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 80
    assert len({by for by, _ in answers}) == 1
    numbers = {each.instance for _, each in answers}
    assert len(numbers) == 20


def test_instance_knows_its_sources_and_where_it_is_stored(desk, store: Callable[..., Result]) -> None:
    uid = "1.2.1.7"
    assert desk.ledger.studies.stored(uid, "archive") is None
    (first,) = desk.end("a.jpg", result=store(7))
    identity = store(7).identity
    (copy,) = desk.end("copy of a.jpg", result=Result(State.DUPLICATE, identity=identity))
    assert desk.ledger.studies.stored(uid, "archive").id == first
    assert desk.ledger.studies.stored(uid, "elsewhere") is None
    assert [each.id for each in desk.ledger.studies.instance(uid)] == [first, copy]
    assert [each.id for each in desk.ledger.studies.files("1.2")] == [first, copy]
    assert desk.ledger.studies.instance("9.9") == ()
