"""One fault, one name: the document a server writes is the error a client ends with."""

import pytest

from policies.error import PolicyError
from policies.error import Problem as PolicyProblem
from rollout import errors
from rollout.errors import Problem, RolloutError
from rollout.service import problem

TREE = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, RolloutError)]


@pytest.mark.parametrize("kind", TREE)
def test_every_error_keeps_its_name_sentence_and_problems_across_the_wire(kind):
    error = kind("what was seen", slug="some-slug", problems=(Problem("code", "detail"),))
    found = problem.document(error)
    assert found["type"] == "urn:rollout:problem:some-slug"
    back = problem.error_of(found, found["status"])
    assert (back.slug, back.detail, back.problems) == ("some-slug", "what was seen", error.problems)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (errors.InvalidError, 422, 1), (errors.NotFoundError, 404, 3), (errors.ConflictError, 409, 5),
        (errors.UnauthenticatedError, 401, 4), (errors.ForbiddenError, 403, 4), (errors.SupplierError, 422, 1),
        (errors.MalformedError, 400, 1), (errors.UnreachableError, 503, 6), (errors.BusyError, 503, 6),
    ],
)  # fmt: skip
def test_status_and_exit_code_follow_whose_fault_it_is_also_after_the_wire(kind, status, code):
    error = kind("x")
    assert (problem.status(error), problem.exit_code(error)) == (status, code)
    assert problem.exit_code(problem.error_of(problem.document(error), status)) == code


def test_a_message_too_large_or_in_an_unknown_coding_has_its_own_status():
    assert problem.status(errors.MalformedError("x", slug="too-large")) == 413
    assert problem.status(errors.MalformedError("x", slug="unsupported-coding")) == 415


def test_a_422_always_carries_its_list():
    found = problem.document(errors.InvalidError("what was seen", slug="state"))
    assert found["problems"] == [{"code": "state", "detail": "what was seen"}]


def test_an_error_of_policies_is_its_authors():
    found = problem.document(PolicyError((PolicyProblem("rest", "The last ring takes the rest."),)))
    assert (found["status"], found["problems"][0]["code"]) == (422, "rest")


def test_an_error_that_is_not_ours_says_nothing_about_itself():
    found = problem.document(KeyError("password=hunter2"))
    assert found["status"] == 500
    assert "hunter2" not in str(found)


def test_who_must_wait_or_log_in_is_told_in_the_head():
    assert problem.headers(errors.BusyError("x")) == {"Retry-After": "1"}
    assert problem.headers(errors.UnauthenticatedError("x")) == {"WWW-Authenticate": "Bearer"}


def test_an_answer_that_is_no_document_keeps_its_status_as_its_sentence():
    back = problem.error_of({}, 418)
    assert "418" in back.detail
