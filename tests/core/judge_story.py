"""Rollouts told row by row, for tests of the judge."""

from hypothesis import strategies as st

from policies.profiles import profile
from rollout.evidence.rows import ActRow, AdoptionRow, FailureRow, Header, TickRow
from rollout.judge import Fold

POLICY = profile("driver")


class Story:
    """Rows of one rollout, numbered as they are told."""

    def __init__(self, policy=POLICY, strata=("a",), rings=None):
        self.policy = policy
        header = Header(rollout="r", strata=list(strata), policy_digest="0", policy=policy.document(), rings=rings)
        self.rows = [header]

    def add(self, kind, **fields):
        self.rows.append(kind(**{"rollout": "r", "seq": len(self.rows), "at": float(len(self.rows)), **fields}))
        return self

    def failure(self, guard, arm="exposed", y1=5, y0=99_995, **fields):
        fields = {"ring": "canary", "stratum": "a", **fields}
        return self.add(FailureRow, guard=guard, arm=arm, exposed_at_risk=y1, control_at_risk=y0, **fields)

    def adopt(self, adoption, order, count=1, **fields):
        fields = {"ring": "canary", "stratum": "a", **fields}
        return self.add(AdoptionRow, adoption=adoption, order=order, count=count, **fields)

    def tick(self, clock, **fields):
        sound = {"reporting_bp": 10_000, "control_reporting_bp": 10_000, "ring": "canary"}
        return self.add(TickRow, clock=float(clock), **{**sound, **fields})

    def act(self, act, **fields):
        return self.add(ActRow, act=act, **fields)

    def fold(self):
        made = Fold(self.policy, self.rows[0])
        made.take(self.rows[1:])
        return made

    def judge(self):
        return self.fold().judgement()


def deaths(story, guard, hosts, fleet=None):
    for dead in range(hosts):
        for each in (guard, "crash_or_dark"):
            story.failure(each, y1=hosts - dead, y0=(fleet or 20_000) - hosts)
    return story


def safe(story=None, confirmed=100, controls=2000):
    """A canary that survived: wholly admitted, baked, with a control that crashes as a fleet does."""
    story = (story or Story()).tick(0).adopt("granted", 0, 100).adopt("confirmed", 0, confirmed)
    story.tick(1000, admitted=True, exposed=100, exposed_confirmed=100)
    for _ in range(controls):
        for guard in ("crash", "crash_or_dark"):
            story.failure(guard, "control", 100, 99_900, exposed_confirmed=100)
    return story


def baked(story, **fields):
    return story.tick(30_000, **{"admitted": True, "host_hours": 600.0, "exposed": 100, **fields})


ANY = st.one_of(
    st.tuples(st.just("failure"), st.sampled_from(["crash", "crash_or_dark", "dark", "own"]),
              st.sampled_from(["exposed", "control"]), st.integers(0, 50), st.integers(0, 200)),
    st.tuples(st.just("tick"), st.integers(0, 10**6), st.integers(0, 10_000), st.booleans(),
              st.sampled_from(["canary", "early"])),
    st.tuples(st.just("adopt")), st.tuples(st.just("act"), st.sampled_from(["resume", "approve"])),
)  # fmt: skip


def told(steps):
    story, granted = Story(), 0
    for step in steps:
        match step:
            case ("failure", guard, arm, y1, y0):
                story.failure(guard, arm, y1, y0, exposed_confirmed=y1 // 2)
            case ("tick", clock, bp, admitted, ring):
                story.tick(clock, reporting_bp=bp, admitted=admitted, ring=ring, host_hours=float(clock))
            case ("adopt",):
                story.adopt("granted", granted).adopt("failed" if granted % 3 else "confirmed", granted)
                granted += 1
            case ("act", act):
                story.act(act, ring="canary", person="ann")
    return story
