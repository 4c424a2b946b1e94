"""Every timeout and retry of the workflows, in one place, each with its reason."""

from datetime import timedelta

from temporalio.common import RetryPolicy

# A dead worker is noticed by its missing heartbeat; activities that wait beat each second.
HEARTBEAT = timedelta(seconds=5)
BEAT_EVERY = 1.0  # seconds
POLL_EVERY = 0.05  # seconds between looks at the store
LOOK_BACK_EVERY = 0.2  # seconds between surveys of the hosts on their way back, at least

# A forward step reads and writes the store and publishes: fractions of a second. It is tried for ten minutes in
# all and then the workflow fails; the reconciler starts another, which reads its position anew.
STEP = timedelta(seconds=30)
STEP_IN_ALL = timedelta(minutes=10)
STEP_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=10)
)

# A step that the store did not allow any more is looked at anew; not at once, so that no history grows in a spin.
ASIDE = timedelta(milliseconds=500)

# Waiting has no end of its own: rings bake for days, approvals for nights. One attempt lasts a day, so that
# code of a new version takes over within that.
WAIT = timedelta(days=1)
WAIT_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))

# An act of a person is answered while they look: the API gives up after 5 s.
ACT = timedelta(seconds=3)
ACT_IN_ALL = timedelta(seconds=4)
ACT_LOOKS = 30  # looks of an approval at a judgement not seen to move yet: 1.5 s, longer than the usual `judge.every`

# The way back has no give-up: unlimited attempts, no schedule-to-close.
BACK_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=15)
)
ALERT_AT_ATTEMPT = 5  # people are told when a rollback step fails this often
