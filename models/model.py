"""`Model.load(folder).predict(record)`: load a trained model and predict records."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.annotations import Annotations
from ecg.headers import Message
from ecg.labels import class_name
from ecg.leads import Choice, refusal, serving_set
from ecg.records import Reading, Record
from ecg.rules import Finding
from models.decision import decide
from models.decode import decode
from models.facts import read_facts
from models.folder import ModelFolder, TrainedSet, load_network, read_model
from models.inputs import lead_messages, prepare, unfit
from models.network import SignalOutput, predict_signal
from models.recipe import Head
from models.rules import answers_of, combine, detector_of, findings_of, with_ruled


class Segment(NamedTuple):
    """A window of a record that the network read, and its probabilities (classes,)."""

    start_s: float
    end_s: float
    probabilities: np.ndarray


class Inputs(NamedTuple):
    """A record as its network reads it: the signal as read, prepared channels, and facts."""

    trained: TrainedSet
    network: torch.nn.Module
    reading: Reading
    prepared: Choice
    facts: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Prediction:
    """A model's prediction for a record.

    Attributes
    ----------
    leads : tuple of str
        Leads of the network that was used.
    classes : tuple of str
        Codes of the classes.
    probabilities : np.ndarray of float64, shape (classes,)
    labels : np.ndarray of bool, shape (classes,)
        After decision and rules.
    warnings : tuple of Message
        About the record, its header or its leads.
    findings : tuple of Finding
        Answers of all clinical rules, if the model uses any.
    segments : tuple of Segment
        The windows of the record with their probabilities.
    annotations : Annotations, optional
        Waves and beats at the record's sampling rate, if the recipe has heads for them.
    """

    record: str
    leads: tuple[str, ...]
    classes: tuple[str, ...] = ()
    probabilities: np.ndarray = field(default_factory=lambda: np.empty(0))
    labels: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    warnings: tuple[Message, ...] = ()
    findings: tuple[Finding, ...] = ()
    segments: tuple[Segment, ...] = ()
    annotations: Annotations | None = None

    def named(self) -> dict[str, float]:
        """Return the probability of each class, by its abbreviation."""
        names = map(class_name, self.classes)
        return dict(zip(names, self.probabilities.tolist(), strict=True))

    def to_json(self) -> str:
        """Return the prediction as JSON, for programs in other languages."""
        content: dict[str, Any] = {
            "record": self.record,
            "leads": self.leads,
            "classes": self.classes,
            "probabilities": self.probabilities.tolist(),
            "labels": self.labels.astype(int).tolist(),
            "warnings": [str(message) for message in self.warnings],
            "segments": [
                {"start_s": one.start_s, "end_s": one.end_s,
                 "probabilities": one.probabilities.tolist()}
                for one in self.segments
            ],
        }  # fmt: skip
        if self.annotations is not None:
            beats, waves = self.annotations.beats, self.annotations.waves
            content["fs"] = self.annotations.fs
            content["beats"] = [
                {"sample": sample, "symbol": symbol}
                for sample, symbol in zip(*map(np.ndarray.tolist, beats), strict=True)
            ]
            content["waves"] = [
                {"onset": onset, "peak": peak, "offset": offset, "kind": kind, "lead": lead}
                for onset, peak, offset, kind, lead in zip(
                    *map(np.ndarray.tolist, waves), strict=True
                )
            ]
        return json.dumps(content, ensure_ascii=False)


class Model:
    """The networks of a model folder; it predicts records with any leads and is thread-safe.

    Parameters
    ----------
    folder : ModelFolder
        From `models.folder.read_model`.
    leads : sequence of str, optional
        Always use the network for these leads; by default the one for the record's leads.
    """

    def __init__(
        self, folder: ModelFolder, device: torch.device, leads: Sequence[str] | None = None
    ) -> None:
        self.folder, self.recipe, self.device = folder, folder.recipe, device
        self._leads = None if leads is None else tuple(leads)
        self._lock = Lock()
        self._networks: dict[tuple[str, ...], torch.nn.Module] = {}

    @classmethod
    def load(
        cls,
        folder: str | Path,
        leads: Sequence[str] | None = None,
        device: torch.device | None = None,
    ) -> "Model":
        """Load a model folder.

        Raises
        ------
        LeadwiseError
            The folder holds no usable model.

        Examples
        --------
        >>> from ecg.records import read_record
        >>> model = Model.load("weights/isibrno2020")
        >>> prediction = model.predict(read_record("tests/data/challenge-samples/E05526.hea"))
        >>> len(prediction.named()), len(prediction.segments)
        (26, 1)
        """
        model = cls(read_model(Path(folder)), device or torch.device("cpu"), leads)
        model.network_for(model.folder.lead_sets[0].leads if leads is None else leads)
        return model

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the first head that predicts records."""
        head = self.record_head
        return self.folder.classes[head.name] if head else ()

    @property
    def record_head(self) -> Head | None:
        """The first head that predicts records."""
        return next((head for head in self.recipe.heads if not head.dense), None)

    def network_for(self, leads: Sequence[str]) -> tuple[TrainedSet, torch.nn.Module]:
        """Return the best network for records with these leads (`ecg.leads.serving_set`).

        Raises
        ------
        LeadwiseError
            The weights of this network are damaged; no other network answers in its place.
        """
        trained = {entry.leads: entry for entry in self.folder.lead_sets}
        entry = trained[serving_set(leads, trained)]
        return entry, self._loaded(entry)

    def _loaded(self, entry: TrainedSet) -> torch.nn.Module:
        """Load a network once."""
        with self._lock:
            if entry.leads not in self._networks:
                network = load_network(self.folder, entry)
                self._networks[entry.leads] = network.to(self.device).eval()
            return self._networks[entry.leads]

    def inputs_of(self, record: Record) -> Inputs:
        """Read a record, choose its network, and apply the transforms.

        Raises
        ------
        LeadwiseError
            The signal cannot be used, or the record has no lead that the network reads.
        """
        trained, network = self.network_for(self._leads or record.leads)
        if reason := refusal(record.leads, trained.leads):
            raise LeadwiseError(f"{record.name}: {reason}")
        reading = record.read()
        prepared = prepare(self.recipe, reading.signal, record.leads, trained.leads, record.fs)
        facts = read_facts(self.recipe, record.header, reading.signal)
        return Inputs(trained, network, reading, prepared, facts)

    def predict(self, record: Record) -> Prediction:
        """Predict a record.

        Raises
        ------
        LeadwiseError
            The signal cannot be used, or the record has no lead that the network reads.
        """
        trained, network, reading, inputs, facts = self.inputs_of(record)
        warnings = [*record.header.warnings, *reading.errors, *reading.warnings]
        warnings += lead_messages(
            self.recipe, record.name, record.leads, trained.leads, inputs.missing
        )
        warnings += [
            Message(record.name, "filter beyond rate", text)
            for text in unfit(self.recipe, record.fs)
        ]
        output = predict_signal(self.recipe, network, inputs.signal, self.device, facts)
        annotations = decode(self.recipe, self.folder.classes, output, record, reading.signal)
        head = self.record_head
        if head is None:
            return Prediction(
                record.name, trained.leads, warnings=tuple(warnings), annotations=annotations
            )
        classes, fitted = self.folder.classes[head.name], trained.heads[head.name]
        probabilities = output.probabilities[head.name]
        labels = decide(fitted.decision, probabilities[None], self.recipe)[0]
        rules = [rule for rule in fitted.rules if rule.options["mode"] != "off"]
        findings: tuple[Finding, ...] = ()
        if rules:
            findings = findings_of(
                reading.signal, record.leads, trained.leads, record.fs, detector_of(rules)
            )
            labels = combine(labels[None], answers_of(findings)[None], rules, classes)[0]
            probabilities = with_ruled(head, probabilities, labels, classes)
        segments = tuple(self._segments(output, head))
        return Prediction(
            record.name, trained.leads, classes, probabilities, labels, tuple(warnings), findings,
            segments, annotations,
        )  # fmt: skip

    def _segments(self, output: SignalOutput, head: Head) -> list[Segment]:
        """Return the windows in seconds of the record, without padding."""
        segments = []
        for (onset, offset), values in zip(output.bounds, output.windows[head.name], strict=True):
            positions = output.positions[onset:offset]
            inside = positions[positions >= 0]
            start, end = (inside[0], inside[-1] + 1) if len(inside) else (0, 0)
            segments.append(Segment(start / self.recipe.fs, end / self.recipe.fs, values))
        return segments
