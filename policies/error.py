"""What is wrong with a policy: always its author's fault, and always everything at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a stable code and a sentence."""

    code: str
    detail: str


class PolicyError(Exception):
    """The policy document must be changed; `problems` says where and why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(problem.detail for problem in problems))
        self.problems = problems
