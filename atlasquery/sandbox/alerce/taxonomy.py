"""The classifiers that ALeRCE runs, and their classes."""

LIGHT_CURVE_CLASSES = (
    *("AGN", "Blazar", "CEP", "CV/Nova", "DSCT", "E", "LPV", "Periodic-Other", "QSO", "RRL"),
    *("SLSN", "SNII", "SNIa", "SNIbc", "YSO"),
)
CLASSIFIERS = [
    ("lc_classifier", "hierarchical_random_forest_1.1.0", LIGHT_CURVE_CLASSES),
    ("lc_classifier", "hierarchical_random_forest_1.0.0", LIGHT_CURVE_CLASSES),
    ("stamp_classifier", "stamp_classifier_1.0.4", ("AGN", "SN", "VS", "asteroid", "bogus")),
]
LSST_CLASSES = ["SN", "AGN", "VS", "asteroid", "bogus"]
# Two versions of one classifier, whose classes the server lists together.
LSST_CLASSIFIERS = [
    ("stamp_classifier_rubin", 201, LSST_CLASSES), ("stamp_classifier_rubin", 202, LSST_CLASSES),
]  # fmt: skip
