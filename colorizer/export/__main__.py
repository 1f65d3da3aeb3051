"""`python -m colorizer export`: see `colorizer.export.convert`."""

import sys

from colorizer.export.convert import main

sys.exit(main())
