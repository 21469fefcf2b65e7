"""The scores of this program. Imports nothing heavy.

To add one, write its function, register it here, and add a test: tables, figures, searches and MLflow follow.
"""

from gym.config.registries import SCORES, Place, ScoreEntry

_EVERYWHERE = frozenset({Place.RUN, Place.EVALUATION, Place.OBJECTIVE})
_BOUNDARY = frozenset({Place.EVALUATION, Place.IMAGE, Place.SITE, Place.SITE_TABLE, Place.TERMINAL})

SCORES.register(
    ScoreEntry(
        "iou",
        "mean IoU",
        by_class="gym.evaluation.confusion:class_iou",
        places=_EVERYWHERE
        | {Place.SITE_CLASS, Place.IMAGE, Place.SITE, Place.SITE_TABLE, Place.TERMINAL, Place.BASELINES}
        | {Place.DIFFERENCES, Place.TABLE, Place.MLFLOW, Place.FIGURE4, Place.SPREAD, Place.HELD_OUT, Place.EPOCH},
    ),
    is_default=True,
)
SCORES.register(
    ScoreEntry(
        "dice",
        "mean Dice",
        by_class="gym.evaluation.confusion:class_dice",
        places=_EVERYWHERE
        | {Place.SITE_CLASS, Place.IMAGE, Place.SITE, Place.SITE_TABLE, Place.TERMINAL, Place.BASELINES}
        | {Place.SITE_REPORT, Place.TABLE, Place.MLFLOW, Place.HELD_OUT},
    )
)
SCORES.register(
    ScoreEntry("precision", "mean precision", by_class="gym.evaluation.confusion:class_precision", places=_EVERYWHERE)
)
SCORES.register(
    ScoreEntry("recall", "mean recall", by_class="gym.evaluation.confusion:class_recall", places=_EVERYWHERE)
)
SCORES.register(
    ScoreEntry("f1", "mean F1", "gym.evaluation.confusion:mean_dice", places=frozenset({Place.RUN, Place.OBJECTIVE}))
)
SCORES.register(
    ScoreEntry(
        "overall_accuracy",
        "overall accuracy",
        "gym.evaluation.confusion:overall_accuracy",
        places=_EVERYWHERE | {Place.IMAGE, Place.SITE, Place.TERMINAL, Place.BASELINES},
    )
)
SCORES.register(
    ScoreEntry(
        "frequency_weighted_iou",
        "frequency-weighted IoU",
        "gym.evaluation.confusion:frequency_weighted_iou",
        places=_EVERYWHERE,
    )
)
SCORES.register(
    ScoreEntry(
        "matthews_correlation",
        "Matthews correlation",
        "gym.evaluation.confusion:matthews_correlation",
        places=_EVERYWHERE,
    )
)
SCORES.register(
    ScoreEntry(
        "kld",
        "KLD",
        "gym.evaluation.confusion:mean_kld",
        reads=("kld_sum", "matrix"),
        meaning="KLD per pixel, nats",
        highest_is_best=False,
        places=_EVERYWHERE
        | {Place.IMAGE, Place.SITE, Place.SITE_TABLE, Place.TERMINAL, Place.DIFFERENCES}
        | {Place.TABLE, Place.MLFLOW, Place.FIGURE4, Place.SPREAD, Place.EPOCH},
    )
)
SCORES.register(
    ScoreEntry(
        "share_kld",
        "KLD of class shares",
        "gym.evaluation.confusion:share_kld",
        reads=("probability_sums", "matrix"),
        meaning="KLD of class shares, nats",
        highest_is_best=False,
        places=frozenset({Place.EVALUATION, Place.IMAGE}),
    )
)
SCORES.register(
    ScoreEntry(
        "boundary_iou",
        "boundary IoU",
        by_class="gym.evaluation.boundary:class_boundary_iou",
        reads=("strip_matrix",),
        places=_BOUNDARY | {Place.DIFFERENCES},
    )
)
SCORES.register(
    ScoreEntry(
        "boundary_distance",
        "boundary distance, pixels",
        by_class="gym.evaluation.confusion:ratio",
        reads=("distance_sums", "distance_counts"),
        highest_is_best=False,
        places=_BOUNDARY,
    )
)
SCORES.register(
    ScoreEntry(
        "boundary_distance_metres",
        "boundary distance, m",
        by_class="gym.evaluation.confusion:ratio",
        reads=("metre_sums", "metre_counts"),
        unit="m",
        highest_is_best=False,
        places=_BOUNDARY,
    )
)
SCORES.register(
    ScoreEntry(
        "boundary_missed",
        "boundary missed, share of images",
        by_class="gym.evaluation.confusion:ratio",
        reads=("missed", "drawn"),
        highest_is_best=False,
        places=_BOUNDARY,
    )
)
SCORES.register(
    ScoreEntry(
        "calibration_error",
        "calibration error",
        "gym.evaluation.calibration:expected_calibration_error",
        reads=("reliability",),
        highest_is_best=False,
        places=frozenset({Place.EVALUATION, Place.TERMINAL, Place.CALIBRATION}),
    )
)
SCORES.register(
    ScoreEntry(
        "calibration_error_with_temperature",
        "calibration error with temperature",
        "gym.evaluation.calibration:expected_calibration_error",
        reads=("reliability_with_temperature",),
        highest_is_best=False,
        places=frozenset({Place.EVALUATION, Place.CALIBRATION}),
    )
)

# What a run measures of itself.
SCORES.register(ScoreEntry("loss", "loss", highest_is_best=False, places=frozenset({Place.OBJECTIVE, Place.EPOCH})))
SCORES.register(
    ScoreEntry(
        "stopping_epoch",
        "stopping epoch",
        highest_is_best=False,
        is_count=True,
        number="{}",
        places=frozenset({Place.OBJECTIVE, Place.TABLE, Place.MLFLOW, Place.SPREAD}),
    )
)
SCORES.register(
    ScoreEntry(
        "best_epoch",
        "best epoch",
        highest_is_best=False,
        is_count=True,
        number="{}",
        places=frozenset({Place.OBJECTIVE, Place.TABLE}),
    )
)
SCORES.register(
    ScoreEntry(
        "parameters",
        "parameters",
        highest_is_best=False,
        is_count=True,
        number="{:,}",
        places=frozenset({Place.OBJECTIVE, Place.TABLE, Place.MLFLOW}),
    )
)
SCORES.register(
    ScoreEntry(
        "trainable_parameters",
        "trainable parameters",
        highest_is_best=False,
        is_count=True,
        number="{:,}",
        places=frozenset({Place.OBJECTIVE}),
    )
)
SCORES.register(
    ScoreEntry(
        "seconds",
        "training time",
        highest_is_best=False,
        unit="s",
        places=frozenset({Place.OBJECTIVE, Place.TABLE}),
    )
)
