"""`python -m pipeline`, the same as the command `dts`."""

from pipeline.app.command import main

if __name__ == "__main__":
    main()
