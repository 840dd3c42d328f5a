"""``python -m cxrdash``: the command line."""

import sys

from cxrdash.cli import main

if __name__ == "__main__":
    sys.exit(main())
