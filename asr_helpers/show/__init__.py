"""Tables, texts and recordings become pictures, players, browsers and a report."""

from .browsers import prediction_browser, sample_browser
from .figures import picture
from .frames import collapse_steps, ctc_frames, frame_inspector
from .lessons import architecture, changes, clips
from .plots import calibration, confusions, histogram, learning_curve, slices, spectrogram, training_curves, waveform
from .report import Report, verdict, write_report
from .speaking import microphone
from .tables import prediction_table, problem_table, table, utterance_table, with_players

__all__ = [
    "Report",
    "architecture",
    "calibration",
    "changes",
    "clips",
    "collapse_steps",
    "confusions",
    "ctc_frames",
    "frame_inspector",
    "histogram",
    "learning_curve",
    "microphone",
    "picture",
    "prediction_browser",
    "prediction_table",
    "problem_table",
    "sample_browser",
    "slices",
    "spectrogram",
    "table",
    "training_curves",
    "utterance_table",
    "verdict",
    "waveform",
    "with_players",
    "write_report",
]
