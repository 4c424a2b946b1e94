"""How much a failure proves in a band of time since boot that has no match in control.

Adopting restarts hosts, so for hours an arm is young that control is not. What such a band says of the ordinary life of
the fleet is what both arms share there: each arm's failures count with the weight that thins it to the smaller of the
two arms' shares of hosts in the band (overlap weights: Li, Morgan & Zaslavsky 2018, JASA 113). The exposed and the
control hosts that are left stand to each other as they do in the whole stratum, whose odds then are those of a failure.

With weights w1 of an exposed and w0 of a control failure, and factors f1, f0 that are fair at the odds m Y1 : Y0 of the
stratum, a row multiplies by 1 + w (f - 1). In a band with the shares u of Y1 and v of Y0 its mean at the null is
1 + [m u Y1 w1 (f1 - 1) + v Y0 w0 (f0 - 1)] / (m u Y1 + v Y0) = 1, since u w1 = v w0: still a fair game in each band.
"""

import numpy as np

from rollout.judge.eprocess import Bools, Floats


def weights(exposed: Bools, confirmed: Floats, control: Floats, of_confirmed: Floats, of_control: Floats) -> Floats:
    """Return the weight (rows,) in 0..1 of each row's failure.

    Args:
        exposed: whether the failing host is.
        confirmed: exposed hosts at risk that confirmed, in the row's band.
        control: control hosts at risk in the band. An exposed failure is weighed as if there were one more: where
            control has nobody, it is not forgotten.
        of_confirmed: confirmed in the whole stratum, at least those of the band.
        of_control: control in the whole stratum.
    """
    mine = confirmed * of_control
    against = np.minimum(1.0, _ratio((control + 1.0) * of_confirmed, mine, 1.0))
    proof = np.minimum(1.0, _ratio(mine, control * of_confirmed, 0.0))
    return np.where(exposed, against, proof)


def _ratio(part: Floats, whole: Floats, empty: float) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(whole.shape, empty), where=whole > 0)
    return ratio
