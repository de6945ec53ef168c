"""Let `python -m mailer` be the same as `mailer`: this is how child processes are started."""

from mailer.cli import main

if __name__ == "__main__":
    main()
