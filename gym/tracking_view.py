"""How MLflow's UI shows the experiment, by the link that ``scripts/ui`` prints: a table of scores, and charts.

MLflow keeps a view that is shared as a tag of the experiment, in JSON of its own; this is that of MLflow 3.
"""

import json
from typing import Any

_COLUMNS = [f"metrics.`{name}`" for name in ("iou", "kld", "dice", "stopping_epoch", "parameters")]
_WHOLE, _BY_EPOCH = "whole-runs", "by-epoch"


def _card(section: str, name: str, **what: Any) -> dict[str, Any]:
    shared = {"isGenerated": False, "deleted": False, "runsCountToCompare": 100, "displayName": None}
    return {"uuid": f"{section}-{name}", "metricSectionId": section, **shared, **what}


def _bar(metric: str) -> dict[str, Any]:
    return _card(_WHOLE, metric, type="BAR", metricKey=metric)


def _against(metric: str, other: str) -> dict[str, Any]:
    axes = {name: {"type": "METRIC", "key": key} for name, key in (("xaxis", other), ("yaxis", metric))}
    return _card(_WHOLE, f"{metric}-{other}", type="SCATTER", **axes)


def _curve(metric: str) -> dict[str, Any]:
    axis = {"xAxisKey": "step", "xAxisScaleType": "linear", "selectedXAxisMetricKey": "", "yAxisKey": "metric"}
    scale = {"scaleType": "linear", "lineSmoothness": 0, "range": dict.fromkeys(("xMin", "xMax", "yMin", "yMax"))}
    chosen = {
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "selectedYAxisMetricKeys": [],
        "yAxisExpressions": [],
    }
    return _card(_BY_EPOCH, metric, type="LINE", **axis, **scale, **chosen)


def _section(key: str, name: str) -> dict[str, Any]:
    return {"uuid": key, "name": name, "display": True, "isReordered": True, "deleted": False, "isGenerated": False}


_VIEW = {
    "orderByKey": "metrics.`iou`",
    "orderByAsc": False,
    "selectedColumns": [*_COLUMNS, "attributes.`Duration`"],
    "searchFilter": "",
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "modelVersionFilter": "All Runs",
    "datasetsFilter": [],
    "runsExpanded": {},
    "runsPinned": [],
    "runsHidden": [],
    "runsHiddenMode": "SHOWALL",
    "groupBy": "",
    "hideEmptyCharts": True,
    "isAccordionReordered": True,
    "compareRunSections": [_section(_WHOLE, "Whole runs"), _section(_BY_EPOCH, "By epoch")],
    "compareRunCharts": [
        *(_against("iou", "parameters"), _bar("iou"), _bar("kld")),
        *(_curve("val/iou"), _curve("val/loss"), _curve("train/loss")),
    ],
}
VIEW_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.sharedViewState.scores": json.dumps(_VIEW),
}
