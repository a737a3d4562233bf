"""Training as the 2020 Challenge calls it; `team_code` does the work."""

from team_code import training_code


def train_12ECG_classifier(input_directory: str, output_directory: str) -> None:
    """Train on the records of a folder and leave the model in another one.

    Raises
    ------
    LeadwiseError
        Nothing can be learned from this folder, or the model folder cannot be written.
    """
    training_code(input_directory, output_directory)
