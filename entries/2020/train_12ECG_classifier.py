"""The 2020 Challenge's function for training: ISIBrno's entry, for 2020's classes and metric."""

from team_code import training_code

RECIPE = "isibrno-2020"  # unless LEADWISE_RECIPE names another


def train_12ECG_classifier(input_directory: str, output_directory: str) -> None:
    """Train on the records of a folder and write the model folder.

    The default recipe has 2020's 24 classes; epoch and threshold are chosen by its metric.

    Raises
    ------
    LeadwiseError
        The records cannot be trained on, or the model folder cannot be written.
    """
    training_code(input_directory, output_directory, RECIPE)
