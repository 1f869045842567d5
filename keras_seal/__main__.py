"""`python -m keras_seal` is `keras-seal`."""

from __future__ import annotations

from keras_seal.cli import main

if __name__ == "__main__":
    main(prog_name="keras-seal")
