"""The organisers' drivers and helper of 2021, as text of files that replace ours.

Re-typed from the description of the 2021 contract (tests/data/README.md); no code is copied.  The
drivers swallow every exception and call `load_model` outside any `try`; the helper reads one header
dialect and passes raw integers.
"""

HELPER = """
import os
import numpy as np
from scipy.io import loadmat

twelve_leads = ('I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6')

def sort_leads(leads):
    known = [lead for lead in twelve_leads for other in leads if other == lead]
    return tuple(known + [lead for lead in leads if lead not in twelve_leads])

def find_challenge_files(data_directory):
    headers, recordings = [], []
    for name in sorted(os.listdir(data_directory)):
        root, ending = os.path.splitext(name)
        recording = os.path.join(data_directory, root + '.mat')
        if not name.startswith('.') and ending == '.hea' and os.path.isfile(recording):
            headers.append(os.path.join(data_directory, name))
            recordings.append(recording)
    return headers, recordings

def load_header(header_file):
    with open(header_file) as f:
        return f.read()

def load_recording(recording_file):
    return np.asarray(loadmat(recording_file)['val'])

def get_recording_id(header):
    return header.split('\\n')[0].split(' ')[0]

def get_leads(header):
    lines = header.split('\\n')
    count = int(lines[0].split(' ')[1])
    return tuple(line.split(' ')[-1] for line in lines[1:count + 1])

def save_outputs(output_file, recording_id, classes, labels, probabilities):
    rows = ['#' + str(recording_id)]
    rows += [','.join(str(cell) for cell in row) for row in (classes, labels, probabilities)]
    with open(output_file, 'w') as f:
        f.write('\\n'.join(rows) + '\\n')
"""

TRAIN = """
import sys
from team_code import training_code
if __name__ == '__main__':
    if len(sys.argv) != 3:
        raise Exception('Include the data and model folders as arguments.')
    training_code(sys.argv[1], sys.argv[2])
    print('Done.')
"""

TEST = """
import os
import sys
from helper_code import *
from team_code import load_model, run_model

def test_model(model_directory, data_directory, output_directory):
    header_files, recording_files = find_challenge_files(data_directory)
    if not header_files:
        raise Exception('No data was provided.')
    if not os.path.isdir(output_directory):
        os.mkdir(output_directory)
    sets = {sort_leads(get_leads(load_header(f))) for f in header_files}
    models = {leads: load_model(model_directory, leads) for leads in sets}
    for header_file, recording_file in zip(header_files, recording_files):
        header, recording = load_header(header_file), load_recording(recording_file)
        leads = sort_leads(get_leads(header))
        try:
            classes, labels, probabilities = run_model(models[leads], header, recording)
        except:
            print('... failed.')
            classes, labels, probabilities = list(), list(), list()
        root = os.path.splitext(os.path.split(header_file)[1])[0]
        output_file = os.path.join(output_directory, root + '.csv')
        save_outputs(output_file, get_recording_id(header), classes, labels, probabilities)

if __name__ == '__main__':
    if len(sys.argv) != 4:
        raise Exception('Include the model, data, and output folders as arguments.')
    test_model(*sys.argv[1:])
    print('Done.')
"""
