"""Ground: the fleet that a policy would meet, as far as the store knows it: size, kinds of hosts, what befalls them."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from rollout.operation.base_rate import DAY, LOOK_BACK_SECONDS, REFERENCE_RATE, Rate, Restarts, look_back
from rollout.operation.fleet_view import state_of
from rollout.operation.newcomer import inventory_host
from rollout.operation.silence import Silence
from rollout.plan import merged_strata, stratum_among
from rollout.ports.store import Store


def document(store: Store, interval: float) -> dict[str, Any]:
    """Return it as plain values; `interval` is a host's while no rollout is open, in seconds.

    Reckons after the transaction: a fleet may be large, and a long reader stops checkpoints.
    `strata` counts the hosts that are not dark, by the names a rollout would have. Rates are of `days`; `assumed`: too
    little was seen, and the rate is what lies nearest to the reference fleet's within the interval.
    """
    everybody, silence, recorded = store.read(lambda tx: (tx.hosts.all(), Silence(tx, interval), look_back(tx)))
    here = [(record, seen) for record, seen in everybody if record.retired_at is None]
    newest = max((seen.at for _, seen in here if seen is not None), default=0.0)
    states = {record.key: state_of(record, seen, dark=silence.dark(seen, newest)) for record, seen in here}
    living = [inventory_host(record, None) for record, _ in here if states[record.key] != "dark"]
    names = merged_strata(living)
    counted = Counter(states.values())
    rates = recorded.rates(record for record, _ in here)
    up = [
        seen.uptime + newest - seen.at for record, seen in here if seen is not None and states[record.key] == "active"
    ]
    restarts = Restarts(len(up), sum(seconds >= DAY for seconds in up))
    return {
        "hosts": {name: counted[name] for name in ("active", "asleep", "dark")},
        "strata": Counter(stratum_among(names, seen.form, seen.os_build, seen.hardware) for seen in living),
        "days": LOOK_BACK_SECONDS / DAY,
        "crashes": _rate(rates.crashes, rates.crashes.believed(REFERENCE_RATE), assumed=rates.crashes.is_thin),
        "silences": _rate(rates.silences, rates.silences.per_host_hour or 0.0, assumed=not rates.silences.host_hours),
        "restarts": {"per_day": restarts.per_day, "assumed": restarts.is_thin, **asdict(restarts)},
    }


def _rate(rate: Rate, believed: float, *, assumed: bool) -> dict[str, Any]:
    low, high = rate.interval
    return {
        "per_host_hour": believed,
        "assumed": assumed,
        "failures": rate.failures,
        "host_hours": round(rate.host_hours, 3),
        "low": low,
        "high": high,
    }
