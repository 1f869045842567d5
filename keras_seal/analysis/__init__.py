"""Analysis of a loss-net: what it knows of plausible poses, and how it pulls.

    probe = Probe(model, Samples.of(splits.test))
    explanation = explain(probe)

`model` is a `SEALPose`. Each question can be asked by itself as well.
"""

from keras_seal.analysis.attribution import Attention, Attribution, attend, attribute, forces
from keras_seal.analysis.bootstrap import Bootstrap
from keras_seal.analysis.corruptions import Corruption, Grade, corruptions, grades
from keras_seal.analysis.explaining import Explanation, explain
from keras_seal.analysis.landscape import Landscape, landscape
from keras_seal.analysis.probe import Probe
from keras_seal.analysis.questions import (
    Alignment,
    Correlation,
    Correlations,
    Curve,
    Descent,
    Ranking,
    align,
    correlate,
    descend,
    energy_curves,
    pose_cosines,
    ranking,
)
from keras_seal.analysis.samples import Samples

__all__ = [
    "Alignment",
    "Attention",
    "Attribution",
    "Bootstrap",
    "Correlation",
    "Correlations",
    "Corruption",
    "Curve",
    "Descent",
    "Explanation",
    "Grade",
    "Landscape",
    "Probe",
    "Ranking",
    "Samples",
    "align",
    "attend",
    "attribute",
    "correlate",
    "corruptions",
    "descend",
    "energy_curves",
    "explain",
    "forces",
    "grades",
    "landscape",
    "pose_cosines",
    "ranking",
]
