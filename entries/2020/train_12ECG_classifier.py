"""The 2020 Challenge's function for training, implemented by `team_code`."""

from team_code import training_code


def train_12ECG_classifier(input_directory: str, output_directory: str) -> None:
    """Train on the records of a folder and write the model folder.

    Raises
    ------
    LeadwiseError
        The records cannot be trained on, or the model folder cannot be written.
    """
    training_code(input_directory, output_directory)
