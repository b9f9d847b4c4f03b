# SPDX-License-Identifier: Apache-2.0
"""`python -m estiva`."""

from estiva.cli import main

if __name__ == "__main__":
    main()
