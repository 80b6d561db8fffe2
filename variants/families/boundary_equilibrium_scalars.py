"""The scalars of the boundary-equilibrium family: titles, panels, selection and alarms."""

from variants.modules.losses import BATCH_SIZE_DEPENDENT_NORMS
from variants.scalars import Drop, Panel, Rise, SameKnob, Stuck, TrainingScalar

# The scale of reconstruction errors depends on the norm; the Frobenius norm grows with the batch.
SAME_NORM = (
    SameKnob("norm"),
    SameKnob("batch_size", when_knob="norm", when_values=tuple(sorted(BATCH_SIZE_DEPENDENT_NORMS))),
)
LOSSES = Panel("losses")
SCALARS = (
    TrainingScalar(
        "M",
        "convergence measure",
        better="lower",
        panel=Panel("M (convergence measure)", scale="log"),
        selects=True,
        steers=True,
        in_progress=True,
        depends_on=SAME_NORM,
    ),
    # Park, Huh and Kim 2020 (Electronics 9, 688, section 4, figures 16 to 19) see collapse where k drops
    # "suddenly" and say neither from what, to what, nor how fast: the numbers of the alarm are ours. k
    # overshoots and falls back as training begins, and a k of less than 0.01 cannot lose much.
    TrainingScalar(
        "k",
        "weight of L(G(z)) in D's loss",
        panel=Panel("k (weight of L(G(z)))", floor=0.0),
        in_progress=True,
        alarms=(Stuck(0.0, 500), Stuck(1.0, 500), Drop("k-drop", 0.5, least=0.01, memory=1000, start=200)),
        stuck_at=(0.0, 1.0),
    ),
    TrainingScalar(
        "loss_real",
        "L(x)",
        better="lower",
        panel=LOSSES,
        depends_on=SAME_NORM,
        # the first sign of divergence
        alarms=(Rise("loss-rising", 2.0),),
    ),
    TrainingScalar("loss_fake", "L(G(z))", better="lower", panel=LOSSES, depends_on=SAME_NORM),
    TrainingScalar("balance", "gamma L(x) - L(G(z))", panel=LOSSES, depends_on=SAME_NORM),
    TrainingScalar("loss_d", "L_D", depends_on=SAME_NORM),
    TrainingScalar("loss_g", "L_G", better="lower", depends_on=SAME_NORM),
)
# the constraint loss of BEGAN-CS and BEGAN v3
CONSTRAINT = TrainingScalar(
    "loss_constraint", "constraint loss L_c", better="lower", alarms=(Rise("constraint-rising", 1.5),)
)
