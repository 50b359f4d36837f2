"""`python -m restmcts` is the command `restmcts`."""

from __future__ import annotations

from restmcts.cli import main

if __name__ == "__main__":
    main()
