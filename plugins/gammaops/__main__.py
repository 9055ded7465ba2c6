"""``python -m gammaops``."""

from __future__ import annotations

import sys

from gammaops.cli import main

sys.exit(main())
