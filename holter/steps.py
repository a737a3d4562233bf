"""Steps of the analysis that `--without` leaves out; known without loading a network."""

ARTEFACTS, BEAT_CHECK, VENTRICULAR, V_CHECK = (
    "artefacts", "beat-check", "ventricular", "v-check",
)  # fmt: skip
CLUSTERS, MERGING = "clusters", "merging"
OF_PAIR = {
    ARTEFACTS: "network 1, which removes artefacts among the R peaks",
    BEAT_CHECK: "its validation by size, QRS duration and refractory time",
    VENTRICULAR: "network 2, which tells V from N",
    V_CHECK: "its validation by shape and width",
}  # of a pair of networks
OF_ALL = {
    CLUSTERS: "K-means; each label is then one cluster",
    MERGING: "merging of clusters that look alike",
}
STEPS = {**OF_PAIR, **OF_ALL}
PAIR_FILE = "pair.json"  # of the model folder that has the steps of a pair
