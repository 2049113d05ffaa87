"""The supervisor as a program of its own: `python -m deploy.cli.supervise`, started by `lotse up`."""

import os
import sys
from functools import partial

from deploy.cli.provision import prepare
from deploy.local.layout import default_layout
from deploy.local.supervisor import supervise

if __name__ == "__main__":
    sys.exit(supervise(default_layout(), partial(prepare, environ=os.environ), os.environ))
