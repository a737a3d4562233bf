#!/usr/bin/env python
"""Run a trained model on a folder of records; `run_model.py` under the Challenge's other name.

python test_model.py MODEL DATA OUTPUTS [-v] [-f]
"""

import sys

from run_model import main

if __name__ == "__main__":
    sys.exit(main())
