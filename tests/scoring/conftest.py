import pytest


@pytest.fixture
def folders(tmp_path):
    """Make a folder of headers and one of outputs from mappings of file name to text."""

    def make(headers, outputs, name="case"):
        for kind, files in (("labels", headers), ("outputs", outputs)):
            (tmp_path / name / kind).mkdir(parents=True)
            for file, text in files.items():
                (tmp_path / name / kind / file).write_bytes(text.encode())
        return str(tmp_path / name / "labels"), str(tmp_path / name / "outputs")

    return make
