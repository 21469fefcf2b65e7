"""The architectures and losses of this program. Imports nothing heavy.

To add one, write its module, register it here, and add its YAML to ``conf/model`` or ``conf/loss`` and a test.
"""

from gym.config.registries import ARCHITECTURES, LOSSES, ArchitectureEntry, LossEntry, Style

_RESIDUAL = 1.75  # multiply-adds of the Res-UNet relative to the U-Net, forward and backward

# Colours that the colour-blind tell apart: Okabe & Ito 2008. Markers and dashes of the first two are the paper's.
ARCHITECTURES.register(
    ArchitectureEntry(
        "unet",
        "UNet",
        "gym.models.unet:build_unet",
        uses=("decoder",),
        style=Style("#0072b2", "o", "-"),
        in_paper=True,
    )
)
ARCHITECTURES.register(
    ArchitectureEntry(
        "resunet",
        "Res-UNet",
        "gym.models.unet:build_resunet",
        uses=("decoder",),
        style=Style("#d55e00", "s", "--", side="left"),
        work=_RESIDUAL,
        in_paper=True,
    ),
    is_default=True,
)
ARCHITECTURES.register(
    ArchitectureEntry(
        "simple_unet",
        "simple UNet",
        "gym.models.simple_unet:build_simple_unet",
        style=Style("#56b4e9", "^", ":"),
        drops_at_bottom=True,
    )
)
ARCHITECTURES.register(
    ArchitectureEntry(
        "simple_resunet",
        "simple Res-UNet",
        "gym.models.simple_unet:build_simple_resunet",
        style=Style("#cc79a7", "D", "-.", side="left"),
        work=_RESIDUAL,
        drops_at_bottom=True,
    )
)

# In the order of the columns of the paper's Figure 4.
LOSSES.register(LossEntry("dice", "Dice", "gym.models.losses:DICE", balances_classes=True))
LOSSES.register(LossEntry("cce", "categorical cross-entropy", "gym.models.losses:CROSS_ENTROPY"), is_default=True)
LOSSES.register(LossEntry("kld", "Kullback-Leibler divergence", "gym.models.losses:CROSS_ENTROPY"))
LOSSES.register(LossEntry("hinge", "multi-class hinge", "gym.models.losses:HINGE"))
