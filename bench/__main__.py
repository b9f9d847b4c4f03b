# SPDX-License-Identifier: Apache-2.0
"""Entry of `python -m bench`; imports nothing early, because every client process imports this module."""

import sys

if __name__ == "__main__":
    from bench.command import main

    sys.exit(main(sys.argv[1:]))
